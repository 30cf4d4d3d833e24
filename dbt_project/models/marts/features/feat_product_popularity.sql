{% set windows = {'1d': 1, '7d': 7, '28d': 28} %}

with days as (

    select
        *,
        view_count + click_count + add_to_cart_count + remove_from_cart_count as event_count,
        {{ dbt.dateadd('day', 1, 'action_date') }} as day_end
    from {{ ref('int_product_days') }}

),

spine as (

    select
        *,
        {% for name, length in windows.items() -%}
        cast({{ dbt.dateadd('day', 1 - length, 'last_day') }} as date) as first_day_{{ name }}{{ ',' if not loop.last }}
        {% endfor %}
    from {{ ref('int_as_of_spine') }}

),

counted as (

    select
        spine.as_of_name,
        spine.as_of,
        days.product_id,
        {% for measure in ['event_count', 'purchase_count'] -%}
        {% for name in windows -%}
        coalesce(sum(case when days.action_date >= spine.first_day_{{ name }} then days.{{ measure }} end), 0)
            as {{ measure }}_{{ name }},
        {% endfor -%}
        sum(days.{{ measure }}) as {{ measure }},
        {% endfor -%}
        sum(days.view_count) as view_count,
        sum(days.return_count) as return_count,
        {{ exact_sum('days.revenue') }} as revenue,
        {{ exact_sum('days.popularity_at_day_end * ' ~ decay('days.day_end', 'spine.as_of', var('recent_days'))) }}
            as recent_popularity,
        min(days.first_action_at) as first_action_at,
        max(days.last_action_at) as last_action_at
    from days
    inner join spine on days.seen_from <= spine.position
    group by spine.as_of_name, spine.as_of, days.product_id

),

ends as (

    {{ window_starts(windows) | indent(4) }}

),

-- Pairs that the same instants see are counted once for all of these.
pairs as (

    select
        totals.product_id,
        totals.from_position,
        totals.until_position,
        {% for name in windows -%}
        {% for instant in as_of_names() -%}
        count(case when totals.last_interaction_at >= ends.first_day_{{ name }}_{{ instant }} then 1 end)
            as user_count_{{ name }}_{{ instant }},
        {% endfor -%}
        {% endfor -%}
        count(*) as user_count,
        count(case when totals.purchase_count > 0 then 1 end) as buyer_count
    from {{ ref('int_user_product_totals') }} as totals
    cross join ends
    group by totals.product_id, totals.from_position, totals.until_position

),

users as (

    select
        spine.as_of_name,
        pairs.product_id,
        {% for name in windows -%}
        cast(sum({{ of_instant('pairs.user_count_' ~ name) }}) as {{ dbt.type_bigint() }}) as user_count_{{ name }},
        {% endfor -%}
        cast(sum(pairs.user_count) as {{ dbt.type_bigint() }}) as user_count,
        cast(sum(pairs.buyer_count) as {{ dbt.type_bigint() }}) as buyer_count
    from pairs
    inner join spine
        on pairs.from_position <= spine.position
        and pairs.until_position > spine.position
    group by spine.as_of_name, pairs.product_id

),

final as (

    select
        counted.as_of_name,
        counted.as_of,
        counted.product_id,
        {% for name in windows -%}
        cast(counted.event_count_{{ name }} as {{ dbt.type_bigint() }}) as event_count_{{ name }},
        cast(counted.purchase_count_{{ name }} as {{ dbt.type_bigint() }}) as purchase_count_{{ name }},
        coalesce(users.user_count_{{ name }}, 0) as user_count_{{ name }},
        {% endfor -%}
        {% for measure in ['event_count', 'purchase_count', 'return_count'] -%}
        cast(counted.{{ measure }} as {{ dbt.type_bigint() }}) as {{ measure }},
        {% endfor -%}
        coalesce(users.user_count, 0) as user_count,
        coalesce(users.buyer_count, 0) as buyer_count,
        counted.revenue,
        {{ share('users.buyer_count', 'users.user_count') }} as conversion,
        {{ share('counted.purchase_count', 'counted.view_count') }} as purchases_per_view,
        {{ share('counted.event_count_7d * 4', 'counted.event_count_28d') }} as event_trend,
        {{ share('counted.purchase_count_7d * 4', 'counted.purchase_count_28d') }} as purchase_trend,
        counted.recent_popularity,
        counted.first_action_at,
        counted.last_action_at
    from counted
    left join users
        on counted.as_of_name = users.as_of_name
        and counted.product_id = users.product_id

)

select * from final
