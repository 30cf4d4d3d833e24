{{ config(meta={'dagster': {'ref': {'name': 'int_recommendations_ranked'}}}) }}

-- Stops a run before publishing when a list has fewer promoted products at its top than the promotion asks for, although more
-- follow further down. Pins do not count. Explored places may exchange promoted products.
with promotions as (

    select rule_profile, max(promoted_every) as every
    from {{ ref('int_product_rules') }}
    group by rule_profile
    having max(promoted_every) is not null

),

recommendations as (

    select
        recommendations.user_id,
        recommendations.rank,
        promotions.every,
        rules.promoted_every is not null as is_promoted,
        row_number() over (partition by recommendations.user_id order by recommendations.rank) as place
    from {{ ref('int_recommendations_ranked') }} as recommendations
    inner join {{ ref('int_user_lists') }} as lists on recommendations.user_id = lists.user_id
    inner join promotions on lists.rule_profile = promotions.rule_profile
    inner join {{ ref('int_product_rules') }} as rules
        on recommendations.product_id = rules.product_id
        and lists.rule_profile = rules.rule_profile
    where recommendations.source != 'pinned' and {{ var('explore_share') }} = 0

),

promoted_places as (

    select
        *,
        row_number() over (partition by user_id order by place) as promoted_count
    from recommendations
    where is_promoted

)

select
    concat(
        'customer ', user_id, ': promoted product ', promoted_count, ' is at place ', place, ' instead of place ',
        promoted_count * every, ' or before'
    ) as message
from promoted_places
where place > promoted_count * every
order by user_id, place
