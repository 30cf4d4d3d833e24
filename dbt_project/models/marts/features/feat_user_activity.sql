{% set windows = {'7d': 7, '28d': 28} %}

with days as (

    select
        *,
        {{ weekday('action_date') }} >= 5 as is_weekend
    from {{ ref('int_user_days') }}

),

spine as (

    select * from {{ ref('int_as_of_spine') }}

),

ends as (

    {{ window_starts(windows) | indent(4) }}

),

-- Days that the same instants see are summed up once for all of these.
parts as (

    select
        days.user_id,
        days.seen_from,
        sum(days.action_count) as action_count,
        {% for name in windows -%}
        {% for instant in as_of_names() -%}
        sum(case when days.action_date >= ends.first_day_{{ name }}_{{ instant }} then days.action_count else 0 end)
            as action_count_{{ name }}_{{ instant }},
        {% endfor -%}
        {% endfor -%}
        {% for action_type in event_types() + ['return'] -%}
        sum(days.{{ action_type }}_count) as {{ action_type }}_count,
        {% endfor -%}
        count(*) as active_days,
        sum(days.session_count) as session_count,
        sum({{ exact('days.spend') }}) as total_spend,
        sum(days.mobile_count) as mobile_count,
        sum(days.known_device_count) as known_device_count,
        sum(days.daytime_count) as daytime_count,
        sum(case when days.is_weekend then days.action_count else 0 end) as weekend_count,
        min(days.action_date) as first_day,
        max(days.action_date) as last_day,
        min(days.first_action_at) as first_action_at,
        max(days.last_action_at) as last_action_at
    from days
    cross join ends
    group by days.user_id, days.seen_from

),

-- Of a day that an instant cuts in two, each part has one.
joined_parts as (

    select
        *,
        case
            when first_day = lag(last_day) over (partition by user_id order by seen_from) then active_days - 1
            else active_days
        end as new_active_days
    from parts

),

-- An order counts once, wherever midnight or an instant falls between its lines.
orders as (

    select
        user_id,
        _feed,
        transaction_id,
        min(purchased_at) as ordered_at
    from {{ ref('fct_transactions') }}
    where user_id is not null and not is_return
    group by user_id, _feed, transaction_id

),

orders_counted as (

    select
        spine.as_of_name,
        orders.user_id,
        count(*) as order_count
    from orders
    inner join spine on orders.ordered_at < spine.as_of
    group by spine.as_of_name, orders.user_id

),

counted as (

    select
        spine.as_of_name,
        spine.as_of,
        parts.user_id,
        cast(sum(parts.action_count) as {{ dbt.type_bigint() }}) as action_count,
        {% for name in windows -%}
        cast(sum({{ of_instant('parts.action_count_' ~ name) }}) as {{ dbt.type_bigint() }}) as action_count_{{ name }},
        {% endfor -%}
        {% for action_type in event_types() + ['return'] -%}
        cast(sum(parts.{{ action_type }}_count) as {{ dbt.type_bigint() }}) as {{ action_type }}_count,
        {% endfor -%}
        cast(sum(parts.new_active_days) as {{ dbt.type_bigint() }}) as active_days,
        cast(sum(parts.session_count) as {{ dbt.type_bigint() }}) as session_count,
        {{ exact_sum('parts.total_spend') }} as total_spend,
        sum(parts.mobile_count) as mobile_count,
        sum(parts.known_device_count) as known_device_count,
        sum(parts.daytime_count) as daytime_count,
        sum(parts.weekend_count) as weekend_count,
        min(parts.first_day) as first_day,
        max(parts.last_day) as last_day,
        min(parts.first_action_at) as first_action_at,
        max(parts.last_action_at) as last_action_at
    from joined_parts as parts
    inner join spine on parts.seen_from <= spine.position
    group by spine.as_of_name, spine.as_of, parts.user_id

),

with_orders as (

    select
        counted.*,
        coalesce(orders_counted.order_count, 0) as order_count
    from counted
    left join orders_counted
        on counted.as_of_name = orders_counted.as_of_name
        and counted.user_id = orders_counted.user_id

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
    from with_orders

)

select * from final
