{{ config(meta={'dagster': {'ref': {'name': 'int_placement_lists'}}}) }}

-- Stops a run before publishing when a list of a placement has fewer promoted products at its top than the promotion asks for,
-- although more follow further down. Pins do not count.
{% set list_key = 'placement, rule_profile, user_id, list_product_id, list_category' -%}

with promotions as (

    select rule_profile, max(promoted_every) as every
    from {{ ref('int_product_rules') }}
    group by rule_profile
    having max(promoted_every) is not null

),

places as (

    select
        *,
        row_number() over (partition by {{ list_key }} order by rank) as place
    from {{ ref('int_placement_lists') }}
    where source != 'pinned'

),

promoted_places as (

    select
        *,
        row_number() over (partition by {{ list_key }} order by place) as promoted_count
    from places
    where is_promoted

)

select
    concat(
        'placement ', places.placement, ', list of ',
        coalesce(places.user_id, places.list_product_id, places.list_category, 'all categories'),
        ': promoted product ', places.promoted_count, ' is at place ', places.place, ' instead of place ',
        places.promoted_count * promotions.every, ' or before'
    ) as message
from promoted_places as places
inner join promotions on places.rule_profile = promotions.rule_profile
where places.place > places.promoted_count * promotions.every
order by places.placement, places.user_id, places.list_product_id, places.list_category, places.place
