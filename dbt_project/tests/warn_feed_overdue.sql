{{ config(severity='warn', meta={'dagster': {'ref': {'name': 'audit_feed_days'}}}) }}

-- Warns of feeds without a delivery for many times their usual interval (audit_overdue_multiple), measured to the newest
-- row of any feed: a delivery day can be the day of the load. A feed with one delivery has no usual interval. By the clock,
-- only feeds with expected_every in the sources file are late.
with deliveries as (

    select
        feed,
        delivery_day,
        newest_row_at,
        {{ dbt.datediff('lag(delivery_day) over (partition by feed order by delivery_day)', 'delivery_day', 'day') }}
            as interval_days
    from {{ ref('audit_feed_days') }}
    where files > 0 and feed not in ({{ quoted_list(log_kinds()) }})

),

feeds as (

    select
        feed,
        max(delivery_day) as last_date,
        percentile_cont(0.5) within group (order by interval_days) as usual_interval_days
    from deliveries
    group by feed

),

feed_ages as (

    select
        *,
        {{ dbt.datediff('last_date', '(select max(newest_row_at) from deliveries)', 'day') }} as days
    from feeds

),

live_feeds as (

    select
        declared.feed,
        declared.expected_hours,
        audit.last_loaded_at,
        {{ dbt.datediff(
            'audit.last_loaded_at', 'cast(' ~ dbt.current_timestamp() ~ ' as ' ~ dbt.type_timestamp() ~ ')', 'hour'
        ) }} as hours
    from {{ ref('stg_raw__feeds') }} as declared
    inner join {{ ref('audit_feeds') }} as audit on declared.feed = audit.feed

),

late_feeds as (

    select
        feed,
        concat(
            feed, ': no delivery for ', days, ' days, the last one on ', last_date, '; usual interval ',
            cast(usual_interval_days as {{ dbt.type_bigint() }}), ' days'
        ) as message
    from feed_ages
    where days >= {{ var('audit_overdue_multiple') }} * usual_interval_days

    union all

    select
        feed,
        concat(
            feed, ': late: the last file was loaded ', hours, ' hours ago, at ',
            cast(last_loaded_at as {{ dbt.type_string() }}), ' UTC; the sources file expects one every ',
            expected_hours, ' hours (expected_every)'
        ) as message
    from live_feeds
    where hours >= expected_hours

)

select message from late_feeds
order by feed, message
