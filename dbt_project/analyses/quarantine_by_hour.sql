-- When bad rows come in: quarantined events and purchases by the hour (UTC) in which they happened, feed and reason. One
-- bad hour is a broken deploy; the same few rows every hour are a shop's habit. Rows without a readable time stand under
-- a null hour.
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
