-- noqa: disable=LT02
with cutoffs as (

    select * from {{ ref('int_feature_cutoffs') }}

),

user_totals as (

    select
        cutoffs.cutoff,
        cutoffs.as_of,
        days.user_id,
        cast(sum(days.action_count) as {{ dbt.type_bigint() }}) as action_count,
        {% for length in [7, 28] -%}
        cast(
            sum(case when {{ is_in_last_days('days.action_date', length) }} then days.action_count else 0 end)
            as {{ dbt.type_bigint() }}
        ) as action_count_{{ length }}d,
        {% endfor -%}
        {% for action_type in event_types() + ['return'] -%}
        cast(sum(days.{{ action_type }}_count) as {{ dbt.type_bigint() }}) as {{ action_type }}_count,
        {% endfor -%}
        count(distinct days.action_date) as active_days,
        cast(sum(days.session_count) as {{ dbt.type_bigint() }}) as session_count,
        {{ exact_sum('days.spend') }} as total_spend,
        {{ exact_sum('days.purchase_spend') }} as purchase_spend,
        sum(days.mobile_count) as mobile_count,
        sum(days.known_device_count) as known_device_count,
        sum(days.daytime_count) as daytime_count,
        -- Saturday is 5 and Sunday 6.
        sum(case when {{ weekday('days.action_date') }} >= 5 then days.action_count else 0 end) as weekend_count,
        min(days.action_date) as first_date,
        max(days.action_date) as last_date,
        min(days.first_action_at) as first_action_at,
        max(days.last_action_at) as last_action_at
    from {{ ref('int_user_days') }} as days
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

)

select
    totals.cutoff,
    totals.as_of,
    totals.user_id,
    totals.action_count,
    totals.action_count_7d,
    totals.action_count_28d,
    {% for action_type in event_types() + ['return'] -%}
    totals.{{ action_type }}_count,
    {% endfor -%}
    totals.active_days,
    totals.session_count,
    coalesce(order_counts.order_count, 0) as order_count,
    {{ cast_to_amount('totals.total_spend') }} as total_spend,
    {{ cast_to_amount('totals.purchase_spend / order_counts.order_count') }} as average_order_value,
    {{ safe_divide('totals.click_count', 'totals.view_count') }} as click_rate,
    {{ safe_divide('totals.add_to_cart_count', 'totals.view_count') }} as add_to_cart_rate,
    {{ safe_divide('totals.purchase_count', 'totals.view_count') }} as purchase_rate,
    {{ safe_divide('totals.purchase_count', 'totals.add_to_cart_count') }} as cart_purchase_rate,
    {{ safe_divide('totals.mobile_count', 'totals.known_device_count') }} as mobile_share,
    {{ safe_divide('totals.weekend_count', 'totals.action_count') }} as weekend_share,
    {{ safe_divide('totals.daytime_count', 'totals.action_count') }} as daytime_share,
    {{ safe_divide(dbt.datediff('totals.first_date', 'totals.last_date', 'day'), 'totals.active_days - 1') }}
        as mean_days_between_active_days,
    {{ days_between('totals.last_action_at', 'totals.as_of') }} as recency_days,
    {{ days_between('totals.first_action_at', 'totals.as_of') }} as tenure_days,
    totals.first_action_at,
    totals.last_action_at
from user_totals as totals
left join order_counts
    on totals.cutoff = order_counts.cutoff
    and totals.user_id = order_counts.user_id
