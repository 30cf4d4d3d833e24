{#- Days before a day without purchases, which show whether the shop usually sells. -#}
{%- set window_days = 28 -%}
{%- set min_window_days = 14 -%}
{#- One is allowed, so that a second day without purchases counts too. -#}
{%- set max_idle_days = 1 -%}

with purchases as (

    select
        files.feed,
        files.delivery_day,
        count(*) as purchase_count
    from {{ ref('fct_transactions') }} as transactions
    inner join {{ ref('audit_files') }} as files
        on transactions._feed = files.feed
        and transactions._file = files.path
    where not transactions.is_return
    group by files.feed, files.delivery_day

),

days as (

    select
        counts.feed,
        counts.delivery_day,
        counts.loaded > 0 as has_rows,
        -- A catalog repeats itself when nothing has changed.
        coalesce(feeds.kind, 'products') not in ({{ quoted_list(['products'] + log_kinds()) }})
        and feeds.joined_to is null
        and counts.duplicates > 0 and counts.duplicates + counts.excluded = counts.loaded as has_only_duplicates,
        coalesce(purchases.purchase_count, 0) > 0 as has_purchases,
        {{ weekday('counts.delivery_day') }} as weekday
    from {{ ref('int_feed_day_counts') }} as counts
    left join {{ ref('stg_raw__feeds') }} as feeds on counts.feed = feeds.feed
    left join purchases on counts.feed = purchases.feed and counts.delivery_day = purchases.delivery_day

),

-- A feed with a key that sends its orders again has only duplicates on all days but the newest.
counted_days as (

    select
        *,
        count(case when has_rows then 1 end) over (
            partition by feed
            order by delivery_day rows between unbounded preceding and 1 preceding
        ) as earlier_day_count,
        count(case when has_only_duplicates then 1 end) over (
            partition by feed
            order by delivery_day rows between unbounded preceding and 1 preceding
        ) as earlier_duplicate_day_count
    from days

),

-- For each day without purchases, the weekdays of the window before it.
weekdays as (

    select
        days.feed,
        days.delivery_day,
        days.weekday = earlier_days.weekday as is_same_weekday,
        count(*) as day_count,
        count(case when earlier_days.has_purchases then 1 end) as purchase_day_count
    from days
    inner join days as earlier_days
        on days.feed = earlier_days.feed
        and {{ dbt.datediff('earlier_days.delivery_day', 'days.delivery_day', 'day') }} between 1 and {{ window_days }}
    where not days.has_purchases
    group by days.feed, days.delivery_day, earlier_days.weekday, days.weekday

),

-- Days on which the shop usually sells: it sold on that weekday, and few days of the window were without purchases, apart
-- from weekdays that had none at all.
days_with_usual_purchases as (

    select feed, delivery_day
    from weekdays
    group by feed, delivery_day
    having
        sum(day_count) >= {{ min_window_days }}
        and sum(case when purchase_day_count > 0 then day_count - purchase_day_count else 0 end) <= {{ max_idle_days }}
        and max(case when is_same_weekday then purchase_day_count else 0 end) > 0

)

select
    counted_days.feed,
    counted_days.delivery_day,
    counted_days.has_only_duplicates
    and counted_days.earlier_duplicate_day_count * 2 < counted_days.earlier_day_count as is_duplicates_only,
    usual.feed is not null as has_no_purchases
from counted_days
left join days_with_usual_purchases as usual
    on counted_days.feed = usual.feed
    and counted_days.delivery_day = usual.delivery_day
