{{ config(meta={'dagster': {'ref': {'name': 'int_placement_lists'}}}) }}

-- Stops a run before publishing when two products of a placement's list are not in the order of the candidates after boosts and
-- buries. Pinned and promoted products are not compared.
with places as (

    select
        lists.placement,
        lists.rule_profile,
        lists.user_id,
        lists.list_product_id,
        lists.list_category,
        lists.product_id,
        lists.rank,
        candidates.list_order / rules.boost_factor as boosted_order
    from {{ ref('int_placement_lists') }} as lists
    inner join {{ ref('int_placement_candidates') }} as candidates
        on lists.placement = candidates.placement
        and lists.rule_profile = candidates.rule_profile
        and lists.product_id = candidates.product_id
        and coalesce(lists.user_id, '') = coalesce(candidates.user_id, '')
        and coalesce(lists.list_product_id, '') = coalesce(candidates.list_product_id, '')
        and coalesce(lists.list_category, '') = coalesce(candidates.list_category, '')
    inner join {{ ref('int_product_rules') }} as rules
        on lists.product_id = rules.product_id
        and lists.rule_profile = rules.rule_profile
    where lists.source != 'pinned' and not lists.is_promoted

),

neighbours as (

    select
        *,
        lag(boosted_order) over (
            partition by placement, rule_profile, user_id, list_product_id, list_category
            order by rank
        ) as previous_boosted_order
    from places

)

select
    concat(
        'placement ', placement, ', list of ', coalesce(user_id, list_product_id, list_category, 'all categories'),
        ': product ', product_id, ' at rank ', rank, ' belongs before the product above it'
    ) as message
from neighbours
where boosted_order < previous_boosted_order
order by placement, user_id, list_product_id, list_category, rank
