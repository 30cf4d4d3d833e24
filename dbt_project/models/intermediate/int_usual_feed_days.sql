with feed_days as (

    select
        feed,
        delivery_day,
        lines,
        last_loaded_at,
        {{ safe_divide('rejected + quarantined', 'lines') }} as bad_share
    from {{ ref('int_feed_day_counts') }}
    -- Nothing is usual for the logs of recommendations: they follow the publications and the visitors.
    where feed not in ({{ quoted_list(log_kinds()) }})

),

-- Runs erase rows older than keep_days. The first day that is kept can have lost rows of the day before it.
whole_days as (

    select
        feed,
        cast({{ dbt.dateadd('day', '1 - keep_days', '(select max(last_loaded_at) from feed_days)') }} as date)
            as first_date
    from {{ ref('stg_raw__feeds') }}

)

-- A day is compared with the same weekday in the four weeks before.
select
    feed_days.feed,
    feed_days.delivery_day,
    percentile_cont(0.5) within group (order by earlier_days.lines) as usual_lines,
    percentile_cont(0.5) within group (order by earlier_days.bad_share) as usual_bad_share
from feed_days
inner join feed_days as earlier_days
    on feed_days.feed = earlier_days.feed
    and {{ dbt.datediff('earlier_days.delivery_day', 'feed_days.delivery_day', 'day') }} in (7, 14, 21, 28)
left join whole_days on feed_days.feed = whole_days.feed
where whole_days.first_date is null or earlier_days.delivery_day >= whole_days.first_date
group by feed_days.feed, feed_days.delivery_day
