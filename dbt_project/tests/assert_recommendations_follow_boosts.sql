{{ config(meta={'dagster': {'ref': {'name': 'int_recommendations_ranked'}}}) }}

-- Stops a run before publishing when two products of a list are not in the order of the model after boosts and buries. Only
-- lists with boosts are compared, without their pinned, promoted, fatigued, explored and popular products.
with boosted_profiles as (

    select distinct rule_profile from {{ ref('int_product_rules') }}
    where boost_factor != 1

),

boosted_lists as (

    select
        lists.user_id,
        lists.run_id,
        lists.rule_profile
    from {{ ref('int_user_lists') }} as lists
    inner join boosted_profiles on lists.rule_profile = boosted_profiles.rule_profile

),

places as (

    select
        recommendations.user_id,
        recommendations.product_id,
        recommendations.rank,
        candidates.rank / rules.boost_factor as boosted_rank
    from {{ ref('int_recommendations_ranked') }} as recommendations
    inner join boosted_lists on recommendations.user_id = boosted_lists.user_id
    inner join {{ ref('int_product_rules') }} as rules
        on recommendations.product_id = rules.product_id
        and boosted_lists.rule_profile = rules.rule_profile
    inner join {{ ref('stg_ml__candidates') }} as candidates
        on recommendations.user_id = candidates.user_id
        and recommendations.product_id = candidates.product_id
        and boosted_lists.run_id = candidates.run_id
    where
        recommendations.source = 'model'
        and rules.promoted_every is null
        and not recommendations.is_fatigued
        and not recommendations.is_explored

),

neighbours as (

    select
        *,
        lag(boosted_rank) over (partition by user_id order by rank) as previous_boosted_rank
    from places

)

select
    concat(
        'customer ', user_id, ': product ', product_id, ' at rank ', rank, ' belongs before the product above it'
    ) as message
from neighbours
where boosted_rank < previous_boosted_rank
order by user_id, rank
