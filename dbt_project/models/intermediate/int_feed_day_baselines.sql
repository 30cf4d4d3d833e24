with feed_days as (

    select
        *,
        (rejected + quarantined) / nullif(cast(lines as {{ type_double() }}), 0) as bad_share
    from {{ ref('int_feed_day_counts') }}

),

-- For each day, the same weekday in the four weeks before.
earlier_days as (

    {% for weeks in range(1, 5) -%}
    select
        feed,
        cast({{ dbt.dateadd('day', 7 * weeks, 'delivery_day') }} as date) as delivery_day,
        {{ weeks }} as weeks_before,
        lines,
        bad_share
    from feed_days
    {{ 'union all' if not loop.last }}
    {% endfor %}

),

usual_values as (

    select
        feed,
        delivery_day,
        max(case when weeks_before = 1 then lines end) as previous_week_lines,
        max(case when weeks_before = 1 then bad_share end) as previous_week_bad_share,
        percentile_cont(0.5) within group (order by lines) as usual_lines,
        percentile_cont(0.5) within group (order by bad_share) as usual_bad_share
    from earlier_days
    group by feed, delivery_day

)

select
    feed_days.feed,
    feed_days.delivery_day,
    feed_days.bad_share,
    usual_values.previous_week_lines,
    usual_values.previous_week_bad_share,
    cast(usual_values.usual_lines as {{ type_double() }}) as usual_lines,
    usual_values.usual_bad_share,
    -- int_feed_day_counts has one row for each day of a feed, also without a file, so 28 rows are 28 days.
    count(case when feed_days.lines > 0 then 1 end) over (
        partition by feed_days.feed
        order by feed_days.delivery_day rows between 28 preceding and 1 preceding
    ) as active_days_before
from feed_days
left join usual_values
    on feed_days.feed = usual_values.feed
    and feed_days.delivery_day = usual_values.delivery_day
