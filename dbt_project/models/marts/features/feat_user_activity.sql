{% set windows = {'7d': 7, '28d': 28} %}

-- One row per user, day and first_visible_cutoff: a cutoff within a day gives the day two rows. A session counts once in
-- each row that has an action of it.
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

window_starts as (

    {{ window_starts(windows) | indent(4) }}

),

-- One part for each user and first_visible_cutoff. The totals at a cutoff are the sum of the parts that are visible at it.
-- So each day is summed up once and not once for each cutoff.
activity_parts as (

    select
        days.user_id,
        days.first_visible_cutoff,
        sum(days.action_count) as action_count,
        {% for name in windows -%}
        {% for cutoff in cutoff_names() -%}
        sum(
            case
                when days.action_date >= window_starts.window_start_{{ name }}_{{ cutoff }} then days.action_count
                else 0
            end
        ) as action_count_{{ name }}_{{ cutoff }},
        {% endfor -%}
        {% endfor -%}
        {% for action_type in event_types() + ['return'] -%}
        sum(days.{{ action_type }}_count) as {{ action_type }}_count,
        {% endfor -%}
        count(*) as active_days,
        sum(days.session_count) as session_count,
        sum({{ cast_to_decimal('days.spend') }}) as total_spend,
        sum(days.mobile_count) as mobile_count,
        sum(days.known_device_count) as known_device_count,
        sum(days.daytime_count) as daytime_count,
        sum(case when days.is_weekend then days.action_count else 0 end) as weekend_count,
        min(days.action_date) as first_date,
        max(days.action_date) as last_date,
        min(days.first_action_at) as first_action_at,
        max(days.last_action_at) as last_action_at
    from days
    cross join window_starts
    group by days.user_id, days.first_visible_cutoff

),

-- A cutoff within a day divides the day into two parts. The later part does not count the day again.
activity_parts_with_new_days as (

    select
        *,
        case
            when first_date = lag(last_date) over (partition by user_id order by first_visible_cutoff)
                then active_days - 1
            else active_days
        end as new_active_days
    from activity_parts

),

-- Orders come from the transaction lines. int_user_days would count an order twice if its lines are on two days or on both
-- sides of a cutoff.
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

user_totals as (

    select
        cutoffs.cutoff,
        cutoffs.as_of,
        activity_parts.user_id,
        cast(sum(activity_parts.action_count) as {{ dbt.type_bigint() }}) as action_count,
        {% for name in windows -%}
        cast(sum({{ column_at_cutoff('activity_parts.action_count_' ~ name) }}) as {{ dbt.type_bigint() }})
            as action_count_{{ name }},
        {% endfor -%}
        {% for action_type in event_types() + ['return'] -%}
        cast(sum(activity_parts.{{ action_type }}_count) as {{ dbt.type_bigint() }}) as {{ action_type }}_count,
        {% endfor -%}
        cast(sum(activity_parts.new_active_days) as {{ dbt.type_bigint() }}) as active_days,
        cast(sum(activity_parts.session_count) as {{ dbt.type_bigint() }}) as session_count,
        {{ exact_sum('activity_parts.total_spend') }} as total_spend,
        sum(activity_parts.mobile_count) as mobile_count,
        sum(activity_parts.known_device_count) as known_device_count,
        sum(activity_parts.daytime_count) as daytime_count,
        sum(activity_parts.weekend_count) as weekend_count,
        min(activity_parts.first_date) as first_date,
        max(activity_parts.last_date) as last_date,
        min(activity_parts.first_action_at) as first_action_at,
        max(activity_parts.last_action_at) as last_action_at
    from activity_parts_with_new_days as activity_parts
    inner join cutoffs on activity_parts.first_visible_cutoff <= cutoffs.cutoff_index
    group by cutoffs.cutoff, cutoffs.as_of, activity_parts.user_id

),

totals_with_orders as (

    select
        user_totals.*,
        coalesce(order_counts.order_count, 0) as order_count
    from user_totals
    left join order_counts
        on user_totals.cutoff = order_counts.cutoff
        and user_totals.user_id = order_counts.user_id

),

final as (

    select
        cutoff,
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

)

select * from final
