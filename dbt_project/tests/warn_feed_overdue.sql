{{ config(severity='warn', meta={'dagster': {'ref': {'name': 'audit_feed_days'}}}) }}

-- Warns of feeds without a delivery for many times their usual interval (audit_overdue_multiple), measured to the
-- newest day of any feed or to the current time. A feed with one delivery has no usual interval.
with deliveries as (

    select
        feed,
        delivery_day,
        last_loaded_at,
        {{ dbt.datediff('lag(delivery_day) over (partition by feed order by delivery_day)', 'delivery_day', 'day') }}
            as interval_days
    from {{ ref('audit_feed_days') }}
    where files > 0

),

feeds as (

    select
        feed,
        max(delivery_day) as last_date,
        max(last_loaded_at) as last_loaded_at,
        percentile_cont(0.5) within group (order by interval_days) as usual_interval_days
    from deliveries
    group by feed

),

feed_ages as (

    select
        *,
        greatest(
            {{ dbt.datediff('last_date', '(select max(delivery_day) from deliveries)', 'day') }},
            {{ dbt.datediff('last_loaded_at', dbt.current_timestamp(), 'day') }}
        ) as days
    from feeds

)

select
    concat(
        feed, ': no delivery for ', days, ' days, the last one on ', last_date, '; usual interval ',
        cast(usual_interval_days as {{ dbt.type_bigint() }}), ' days'
    ) as message
from feed_ages
where days >= {{ var('audit_overdue_multiple') }} * usual_interval_days
order by feed
