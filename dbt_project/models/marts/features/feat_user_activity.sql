-- noqa: disable=LT02
with days as (

    select
        *,
        -- Saturday is 5 and Sunday 6.
        {{ weekday('action_date') }} >= 5 as is_weekend
    from {{ ref('int_user_days') }}

),

cutoffs as (

    select * from {{ ref('int_feature_cutoffs') }}

),

user_totals as (

    select
        cutoffs.cutoff,
        cutoffs.as_of,
        days.user_id,
        sum(days.action_count) as action_count,
        {% for length in [7, 28] -%}
        sum(case when {{ is_in_last_days('days.action_date', length) }} then days.action_count else 0 end)
            as action_count_{{ length }}d,
        {% endfor -%}
        {% for action_type in event_types() + ['return'] -%}
        sum(days.{{ action_type }}_count) as {{ action_type }}_count,
        {% endfor -%}
        count(distinct days.action_date) as active_days,
        sum(days.session_count) as session_count,
        {{ exact_sum('days.spend') }} as total_spend,
        sum(days.mobile_count) as mobile_count,
        sum(days.known_device_count) as known_device_count,
        sum(days.daytime_count) as daytime_count,
        sum(case when days.is_weekend then days.action_count else 0 end) as weekend_count,
        min(days.action_date) as first_date,
        max(days.action_date) as last_date,
        min(days.first_action_at) as first_action_at,
        max(days.last_action_at) as last_action_at
    from days
    inner join cutoffs on days.period_start < cutoffs.as_of
    group by cutoffs.cutoff, cutoffs.as_of, days.user_id

),

-- Orders come from the transaction lines, because an order can have lines on several days.
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

order_counts as (

    select
        cutoffs.cutoff,
        orders.user_id,
        count(*) as order_count
    from orders
    inner join cutoffs on orders.ordered_at < cutoffs.as_of
    group by cutoffs.cutoff, orders.user_id

),

totals_with_orders as (

    select
        user_totals.*,
        coalesce(order_counts.order_count, 0) as order_count
    from user_totals
    left join order_counts
        on user_totals.cutoff = order_counts.cutoff
        and user_totals.user_id = order_counts.user_id

)

select
    cutoff,
    as_of,
    user_id,
    {% for count in [
        'action_count', 'action_count_7d', 'action_count_28d', 'view_count', 'click_count', 'add_to_cart_count',
        'remove_from_cart_count', 'purchase_count', 'return_count', 'active_days', 'session_count', 'order_count',
    ] -%}
    cast({{ count }} as {{ dbt.type_bigint() }}) as {{ count }},
    {% endfor -%}
    {{ cast_to_amount('total_spend') }} as total_spend,
    {{ cast_to_amount('total_spend / nullif(order_count, 0)') }} as average_order_value,
    {{ safe_divide('click_count', 'view_count') }} as click_rate,
    {{ safe_divide('add_to_cart_count', 'view_count') }} as add_to_cart_rate,
    {{ safe_divide('purchase_count', 'view_count') }} as purchase_rate,
    {{ safe_divide('purchase_count', 'add_to_cart_count') }} as cart_purchase_rate,
    {{ safe_divide('mobile_count', 'known_device_count') }} as mobile_share,
    {{ safe_divide('weekend_count', 'action_count') }} as weekend_share,
    {{ safe_divide('daytime_count', 'action_count') }} as daytime_share,
    {{ safe_divide(dbt.datediff('first_date', 'last_date', 'day'), 'active_days - 1') }}
        as mean_days_between_active_days,
    {{ days_between('last_action_at', 'as_of') }} as recency_days,
    {{ days_between('first_action_at', 'as_of') }} as tenure_days,
    first_action_at,
    last_action_at
from totals_with_orders
