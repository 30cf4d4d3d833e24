{{ config(meta={'dagster': {'ref': {'name': 'int_recommendations_ranked'}}}) }}

-- Checks every recommendation, those for anonymous users included, against blocks, exclusions and caps. The rules come
-- from int_product_rules and int_user_product_exclusions; the query does not use the models that apply them to lists. A
-- rank above the length of its list means that a rank is missing.
with recommendations as (

    select
        recommendations.user_id,
        recommendations.product_id,
        recommendations.rank,
        lists.has_list,
        rules.is_recommendable,
        rules.category_cap,
        rules.brand_cap,
        count(*) over (partition by recommendations.user_id, rules.category) as category_count,
        count(*) over (partition by recommendations.user_id, rules.brand) as brand_count,
        count(*) over (partition by recommendations.user_id) as list_length
    from {{ ref('int_recommendations_ranked') }} as recommendations
    inner join {{ ref('int_user_lists') }} as lists on recommendations.user_id = lists.user_id
    inner join {{ ref('int_product_rules') }} as rules
        on recommendations.product_id = rules.product_id
        and lists.rule_profile = rules.rule_profile

),

broken_rules as (

    select
        recommendations.product_id,
        concat_ws(
            ', ',
            case when not recommendations.has_list then 'of a customer in an arm without lists' end,
            case when not recommendations.is_recommendable then 'unavailable or blocked' end,
            case when exclusions.product_id is not null then 'excluded for the customer' end,
            case when recommendations.category_count > recommendations.category_cap then 'above the category cap' end,
            case when recommendations.brand_count > recommendations.brand_cap then 'above the brand cap' end,
            case when recommendations.rank > recommendations.list_length then 'behind a missing rank' end
        ) as rules
    from recommendations
    left join {{ ref('int_user_product_exclusions') }} as exclusions
        on recommendations.user_id = exclusions.user_id
        and recommendations.product_id = exclusions.product_id

)

select concat('product ', product_id, ' is in ', count(*), ' lists, although it is ', rules) as message
from broken_rules
where rules != ''
group by product_id, rules
order by product_id, rules
