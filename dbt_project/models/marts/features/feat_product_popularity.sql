{% set windows = {'1d': 1, '7d': 7, '28d': 28} %}

-- noqa: disable=LT02
with days as (

    select
        *,
        view_count + click_count + add_to_cart_count + remove_from_cart_count as event_count,
        {{ dbt.dateadd('day', 1, 'action_date') }} as day_end
    from {{ ref('int_product_days') }}

),

cutoffs as (

    select
        *,
        {% for name, length in windows.items() -%}
        cast({{ dbt.dateadd('day', 1 - length, 'last_date') }} as date) as window_start_{{ name }}
        {{- ',' if not loop.last }}
        {% endfor %}
    from {{ ref('int_feature_cutoffs') }}

),

product_totals as (

    select
        cutoffs.cutoff,
        cutoffs.as_of,
        days.product_id,
        {% for measure in ['event_count', 'purchase_count'] -%}
        {% for name in windows -%}
        coalesce(sum(case when days.action_date >= cutoffs.window_start_{{ name }} then days.{{ measure }} end), 0)
            as {{ measure }}_{{ name }},
        {% endfor -%}
        sum(days.{{ measure }}) as {{ measure }},
        {% endfor -%}
        sum(days.view_count) as view_count,
        sum(days.return_count) as return_count,
        {{ exact_sum('days.revenue') }} as revenue,
        {{ exact_sum(
            'days.popularity_at_day_end * ' ~ decay('days.day_end', 'cutoffs.as_of', var('popularity_half_life_days'))
        ) }}
            as recent_popularity,
        min(days.first_action_at) as first_action_at,
        max(days.last_action_at) as last_action_at
    from days
    inner join cutoffs on days.first_visible_cutoff <= cutoffs.cutoff_index
    group by cutoffs.cutoff, cutoffs.as_of, days.product_id

),

window_starts as (

    {{ window_starts(windows) | indent(4) }}

),

-- Pairs of user and product whose totals are valid at the same cutoffs are counted together, once for all these cutoffs.
pair_counts as (

    select
        totals.product_id,
        totals.valid_from_cutoff_index,
        totals.valid_to_cutoff_index,
        {% for name in windows -%}
        {% for cutoff in cutoff_names() -%}
        count(case when totals.last_interaction_at >= window_starts.window_start_{{ name }}_{{ cutoff }} then 1 end)
            as user_count_{{ name }}_{{ cutoff }},
        {% endfor -%}
        {% endfor -%}
        count(*) as user_count,
        count(case when totals.purchase_count > 0 then 1 end) as buyer_count
    from {{ ref('int_user_product_totals') }} as totals
    cross join window_starts
    group by totals.product_id, totals.valid_from_cutoff_index, totals.valid_to_cutoff_index

),

user_counts as (

    select
        cutoffs.cutoff,
        pair_counts.product_id,
        {% for name in windows -%}
        cast(sum({{ column_at_cutoff('pair_counts.user_count_' ~ name) }}) as {{ dbt.type_bigint() }})
            as user_count_{{ name }},
        {% endfor -%}
        cast(sum(pair_counts.user_count) as {{ dbt.type_bigint() }}) as user_count,
        cast(sum(pair_counts.buyer_count) as {{ dbt.type_bigint() }}) as buyer_count
    from pair_counts
    inner join cutoffs
        on pair_counts.valid_from_cutoff_index <= cutoffs.cutoff_index
        and pair_counts.valid_to_cutoff_index > cutoffs.cutoff_index
    group by cutoffs.cutoff, pair_counts.product_id

),

final as (

    select
        product_totals.cutoff,
        product_totals.as_of,
        product_totals.product_id,
        {% for name in windows -%}
        cast(product_totals.event_count_{{ name }} as {{ dbt.type_bigint() }}) as event_count_{{ name }},
        cast(product_totals.purchase_count_{{ name }} as {{ dbt.type_bigint() }}) as purchase_count_{{ name }},
        coalesce(user_counts.user_count_{{ name }}, 0) as user_count_{{ name }},
        {% endfor -%}
        {% for measure in ['event_count', 'purchase_count', 'return_count'] -%}
        cast(product_totals.{{ measure }} as {{ dbt.type_bigint() }}) as {{ measure }},
        {% endfor -%}
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

)

select * from final
