{% set windows = {'7d': 7, '28d': 28} %}

with days as (

    select
        *,
        {{ weekday('action_date') }} >= 5 as is_weekend
    from {{ ref('int_user_days') }}

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
        days.user_id,
        cast(sum(days.action_count) as {{ dbt.type_bigint() }}) as action_count,
        {% for name in windows -%}
        cast(
            coalesce(sum(case when days.action_date >= spine.first_day_{{ name }} then days.action_count end), 0)
            as {{ dbt.type_bigint() }}
        ) as action_count_{{ name }},
        {% endfor -%}
        {% for action_type in event_types() + ['return'] -%}
        cast(sum(days.{{ action_type }}_count) as {{ dbt.type_bigint() }}) as {{ action_type }}_count,
        {% endfor -%}
        count(distinct days.action_date) as active_days,
        cast(sum(days.session_count) as {{ dbt.type_bigint() }}) as session_count,
        cast(sum(days.order_count) as {{ dbt.type_bigint() }}) as order_count,
        {{ exact_sum('days.spend') }} as total_spend,
        sum(days.mobile_count) as mobile_count,
        sum(days.known_device_count) as known_device_count,
        sum(days.daytime_count) as daytime_count,
        sum(case when days.is_weekend then days.action_count else 0 end) as weekend_count,
        min(days.action_date) as first_day,
        max(days.action_date) as last_day,
        min(days.first_action_at) as first_action_at,
        max(days.last_action_at) as last_action_at
    from days
    inner join spine on days.seen_from <= spine.position
    group by spine.as_of_name, spine.as_of, days.user_id

),

final as (

    select
        as_of_name,
        as_of,
        user_id,
        action_count,
        {% for name in windows -%}
        action_count_{{ name }},
        {% endfor -%}
        {% for action_type in event_types() + ['return'] -%}
        {{ action_type }}_count,
        {% endfor -%}
        active_days,
        session_count,
        order_count,
        total_spend,
        total_spend / nullif(order_count, 0) as average_order_value,
        {{ share('click_count', 'view_count') }} as click_rate,
        {{ share('add_to_cart_count', 'view_count') }} as add_to_cart_rate,
        {{ share('purchase_count', 'view_count') }} as purchase_rate,
        {{ share('purchase_count', 'add_to_cart_count') }} as cart_purchase_rate,
        {{ share('mobile_count', 'known_device_count') }} as mobile_share,
        {{ share('weekend_count', 'action_count') }} as weekend_share,
        {{ share('daytime_count', 'action_count') }} as daytime_share,
        {{ share(dbt.datediff('first_day', 'last_day', 'day'), 'active_days - 1') }} as days_between_visits,
        {{ days_between('last_action_at', 'as_of') }} as recency_days,
        {{ days_between('first_action_at', 'as_of') }} as tenure_days,
        first_action_at,
        last_action_at
    from counted

)

select * from final
