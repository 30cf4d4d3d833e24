{{ config(meta={'dagster': {'ref': {'name': 'audit_feed_days'}}}) }}

-- Stops a run before training when a newest day has many times the usual lines and is not in the seed expected_jumps.
-- Where the usual value is 0, min_audit_lines replaces it.
select
    concat(
        days.feed, ' of ', days.delivery_day, ': ', days.lines, ' lines where ',
        cast(days.usual_lines as {{ dbt.type_bigint() }}), ' are usual. If the volume is correct, add ''',
        days.feed, ',', days.delivery_day, ',why'' to dbt_project/seeds/expected_jumps.csv; otherwise deliver the ',
        'file again'
    ) as message
from {{ ref('audit_feed_days') }} as days
left join {{ ref('expected_jumps') }} as expected
    on lower(days.feed) = lower({{ clean_text('expected.feed') }}) and days.delivery_day = expected.delivery_day
where
    days.is_volume_jump
    and days.lines
    >= {{ var('audit_volume_limit') }} * coalesce(nullif(days.usual_lines, 0), {{ var('min_audit_lines') }})
    and expected.feed is null
    and days.delivery_day > (
        select {{ dbt.dateadd('day', -var('audit_warning_days'), 'max(delivery_day)') }}
        from {{ ref('audit_feed_days') }}
    )
order by days.delivery_day, days.feed
