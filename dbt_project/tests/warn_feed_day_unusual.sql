{{ config(severity='warn', meta={'dagster': {'ref': {'name': 'audit_feed_days'}}}) }}

-- Gives the warnings of audit_feed_days for the newest days (audit_warning_days).
select concat(feed, ' of ', delivery_day, ': ', warning) as message
from {{ ref('audit_feed_days') }}
where
    warning is not null
    and delivery_day > (
        select {{ dbt.dateadd('day', -var('audit_warning_days'), 'max(delivery_day)') }}
        from {{ ref('audit_feed_days') }}
    )
order by delivery_day, feed
