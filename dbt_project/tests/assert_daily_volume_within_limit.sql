{{ config(meta={'dagster': {'ref': {'name': 'audit_feed_days'}}}) }}

-- Stops a run before training when a day has many times the usual lines and is not in the seed expected_jumps. It checks
-- the newest days (audit_warning_days) of each feed, and days of which a file was loaded within as many days after them.
-- Where the usual value is 0, min_audit_lines replaces it.
with file_days as (

    select
        feed,
        delivery_day,
        max(delivery_day) over (partition by feed) as newest_day,
        min(loaded_at) over (partition by feed, delivery_day) as first_loaded_at
    from {{ ref('audit_files') }}

),

checked_days as (

    select distinct feed, delivery_day
    from file_days
    where
        delivery_day > {{ dbt.dateadd('day', -var('audit_warning_days'), 'newest_day') }}
        or first_loaded_at < {{ dbt.dateadd('day', var('audit_warning_days') + 1, 'delivery_day') }}

)

select
    concat(
        days.feed, ' of ', days.delivery_day, ': ', days.lines, ' lines where ',
        cast(days.usual_lines as {{ dbt.type_bigint() }}), ' are usual. If the volume is correct, add ''',
        days.feed, ',', days.delivery_day, ',why'' to dbt_project/seeds/expected_jumps.csv; otherwise deliver the ',
        'file again'
    ) as message
from {{ ref('audit_feed_days') }} as days
inner join checked_days on days.feed = checked_days.feed and days.delivery_day = checked_days.delivery_day
left join {{ ref('expected_jumps') }} as expected
    on lower(days.feed) = lower({{ clean_text('expected.feed') }}) and days.delivery_day = expected.delivery_day
where
    days.is_volume_jump
    and days.lines
    >= {{ var('audit_volume_limit') }} * coalesce(nullif(days.usual_lines, 0), {{ var('min_audit_lines') }})
    and expected.feed is null
order by days.delivery_day, days.feed
