{{ config(severity='warn', meta={'dagster': {'ref': {'name': 'audit_feed_days'}}}) }}

-- Gives the warnings of audit_feed_days for the newest days (audit_warning_days) of each feed, and those of the shop: a
-- feed without a delivery has warnings, too.
with days as (

    select
        *,
        max(case when feed not in ({{ quoted_list(log_kinds()) }}) then delivery_day end) over () as newest_day,
        max(case when files + rejected_files > 0 then delivery_day end) over (partition by feed) as newest_feed_day
    from {{ ref('audit_feed_days') }}

)

select concat(feed, ' of ', delivery_day, ': ', warning) as message
from days
where
    warning is not null
    and (
        delivery_day > {{ dbt.dateadd('day', -var('audit_warning_days'), 'newest_day') }}
        or (
            delivery_day > {{ dbt.dateadd('day', -var('audit_warning_days'), 'newest_feed_day') }}
            and delivery_day <= newest_feed_day
        )
    )
order by delivery_day, feed
