{% set lengths = [1, 7, 28] %}

-- noqa: disable=LT02
with days as (

    select
        *,
        view_count + click_count + add_to_cart_count + remove_from_cart_count as event_count,
        {{ dbt.dateadd('day', 1, 'action_date') }} as day_end
    from {{ ref('int_product_days') }}

),

cutoffs as (

    select * from {{ ref('int_feature_cutoffs') }}

),

product_totals as (

    select
        cutoffs.cutoff,
        cutoffs.as_of,
        days.product_id,
        {% for length in lengths -%}
        {% for count in ['event_count', 'purchase_count'] -%}
        cast(
            sum(case when {{ is_in_last_days('days.action_date', length) }} then days.{{ count }} else 0 end)
            as {{ dbt.type_bigint() }}
        ) as {{ count }}_{{ length }}d,
        {% endfor -%}
        {% endfor -%}
        {% for count in ['event_count', 'view_count', 'purchase_count', 'return_count'] -%}
        cast(sum(days.{{ count }}) as {{ dbt.type_bigint() }}) as {{ count }},
        {% endfor -%}
        {{ exact_sum('days.revenue') }} as revenue,
        {{ exact_sum(
            'days.popularity_at_day_end * ' ~ decay('days.day_end', 'cutoffs.as_of', var('popularity_half_life_days'))
        ) }}
            as recent_popularity,
        min(days.first_action_at) as first_action_at,
        max(days.last_action_at) as last_action_at
    from days
    inner join cutoffs on days.period_start < cutoffs.as_of
    group by cutoffs.cutoff, cutoffs.as_of, days.product_id

),

user_counts as (

    select
        cutoffs.cutoff,
        interactions.product_id,
        {% for length in lengths -%}
        count(case when {{ is_in_last_days('cast(interactions.last_interaction_at as date)', length) }} then 1 end)
            as user_count_{{ length }}d,
        {% endfor -%}
        count(*) as user_count,
        count(case when interactions.purchase_count > 0 then 1 end) as buyer_count
    from {{ ref('feat_user_product_interactions') }} as interactions
    inner join cutoffs on interactions.cutoff = cutoffs.cutoff
    group by cutoffs.cutoff, interactions.product_id

)

select
    product_totals.cutoff,
    product_totals.as_of,
    product_totals.product_id,
    {% for length in lengths -%}
    product_totals.event_count_{{ length }}d,
    product_totals.purchase_count_{{ length }}d,
    coalesce(user_counts.user_count_{{ length }}d, 0) as user_count_{{ length }}d,
    {% endfor -%}
    product_totals.event_count,
    product_totals.purchase_count,
    product_totals.return_count,
    coalesce(user_counts.user_count, 0) as user_count,
    coalesce(user_counts.buyer_count, 0) as buyer_count,
    {{ cast_to_amount('product_totals.revenue') }} as revenue,
    {{ safe_divide('user_counts.buyer_count', 'user_counts.user_count') }} as conversion_rate,
    {{ safe_divide('product_totals.purchase_count', 'product_totals.view_count') }} as purchases_per_view,
    {{ safe_divide('product_totals.event_count_7d * 4', 'product_totals.event_count_28d') }} as event_trend,
    {{ safe_divide('product_totals.purchase_count_7d * 4', 'product_totals.purchase_count_28d') }}
        as purchase_trend,
    product_totals.recent_popularity,
    product_totals.first_action_at,
    product_totals.last_action_at
from product_totals
left join user_counts
    on product_totals.cutoff = user_counts.cutoff
    and product_totals.product_id = user_counts.product_id
