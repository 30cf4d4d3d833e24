-- Quarantined events and purchases by hour (UTC), feed and reason. One bad hour points to a broken release; a few rows in
-- every hour point to a permanent problem of the source. Rows without a readable time have a null hour.
with quarantined as (

    select _feed, reasons, event_at as happened_at from {{ ref('quarantine_events') }}
    union all
    select _feed, reasons, purchased_at as happened_at from {{ ref('quarantine_purchases') }}

),

quarantine_reasons as (

    select
        _feed as feed,
        {{ dbt.date_trunc('hour', 'happened_at') }} as happened_hour,
        {{ split_to_rows('reasons') }} as reason
    from quarantined

)

select
    happened_hour,
    feed,
    reason,
    count(*) as rows
from quarantine_reasons
group by happened_hour, feed, reason
order by happened_hour desc, rows desc, feed, reason
