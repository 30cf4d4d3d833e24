-- depends_on: {{ ref('int_feature_cutoffs') }}
{% set is_exploring = var('explore_share') > 0 %}

-- Fatigue: a product that the customer saw often without an action goes behind the other products of the list. Pinned and
-- promoted products stay.
with lists as (

    select
        filled_lists.*,
        filled_lists.pinned_position is not null as is_pinned,
        fatigued_products.product_id is not null as is_fatigued
    from {{ ref('int_recommendations_filled') }} as filled_lists
    left join {{ ref('int_fatigued_products') }} as fatigued_products
        on filled_lists.user_id = fatigued_products.user_id
        and filled_lists.product_id = fatigued_products.product_id
        and filled_lists.pinned_position is null
        and not filled_lists.is_promoted

),

-- group_rank numbers the pins of a list from 1, and its other products from 1.
group_ranks as (

    select
        *,
        row_number() over (partition by user_id, is_pinned order by is_fatigued, filled_rank) as group_rank
    from lists

),
{% if is_exploring %}

{{ explored_lists(
    'group_ranks',
    ['user_id', 'product_id', 'pinned_position', 'score', 'reason_product_id', 'is_pinned', 'is_fatigued'],
) }},
{% endif %}

{{ apply_pins('explored_lists' if is_exploring else 'group_ranks') }}

-- apply_pins ends in pinned_lists.
select
    ranked.user_id,
    cast(ranked.pinned_rank as integer) as rank,
    ranked.product_id,
    coalesce(ranked.score, popular_products.score, 0) as score,
    case
        when ranked.is_pinned then 'pinned'
        when ranked.score is not null then 'model'
        else 'popularity'
    end as source,
    ranked.reason_product_id,
    ranked.is_fatigued,
    {% if is_exploring -%}
    ranked.is_explored,
    ranked.propensity
    {%- else -%}
    false as is_explored,
    cast(null as {{ type_double() }}) as propensity
    {%- endif %}
from pinned_lists as ranked
left join {{ ref('int_popular_products_ranked') }} as popular_products
    on ranked.product_id = popular_products.product_id
