{{ config(meta={'dagster': {'ref': {'name': 'int_placement_lists'}}}) }}

-- Stops a run before publishing when a list of a placement has a blocked or excluded product, breaks a cap, or is too long. A
-- rank above the length of its list means that a rank is missing.
{% set list_key = 'lists.placement, lists.rule_profile, lists.user_id, lists.list_product_id, lists.list_category' -%}

with lists as (

    select
        lists.placement,
        lists.user_id,
        lists.product_id,
        lists.rank,
        lists.product_id = lists.list_product_id as is_of_own_page,
        rules.is_recommendable,
        rules.category_cap,
        rules.brand_cap,
        placements.list_length as max_list_length,
        case when rules.category is not null then placements.max_per_category end as max_per_category,
        count(*) over (partition by {{ list_key }}, rules.category) as category_count,
        count(*) over (partition by {{ list_key }}, rules.brand) as brand_count,
        count(*) over (partition by {{ list_key }}) as list_length
    from {{ ref('int_placement_lists') }} as lists
    inner join {{ ref('placements') }} as placements on lists.placement = placements.placement
    left join {{ ref('int_product_rules') }} as rules
        on lists.product_id = rules.product_id
        and lists.rule_profile = rules.rule_profile

),

broken_rules as (

    select
        lists.placement,
        lists.product_id,
        concat_ws(
            ', ',
            case when not coalesce(lists.is_recommendable, false) then 'unavailable or blocked' end,
            case when exclusions.product_id is not null then 'excluded for the customer' end,
            case when lists.is_of_own_page then 'the product of the page' end,
            case when lists.category_count > lists.category_cap then 'above the category cap' end,
            case when lists.brand_count > lists.brand_cap then 'above the brand cap' end,
            case when lists.category_count > lists.max_per_category then 'above max_per_category of the placement' end,
            case when lists.rank > lists.max_list_length then 'behind the list_length of the placement' end,
            case when lists.rank > lists.list_length then 'behind a missing rank' end
        ) as rules
    from lists
    left join {{ ref('int_user_product_exclusions') }} as exclusions
        on lists.user_id = exclusions.user_id
        and lists.product_id = exclusions.product_id

)

select
    concat(
        'placement ', placement, ': product ', product_id, ' is in ', count(*), ' lists, although it is ', rules
    ) as message
from broken_rules
where rules != ''
group by placement, product_id, rules
order by placement, product_id, rules
