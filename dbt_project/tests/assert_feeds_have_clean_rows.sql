{{ config(meta={'dagster': {'ref': {'name': 'audit_feeds'}}}) }}

-- Stops a run before training when a feed has rows and none of them is clean: its declaration is wrong, and the model and
-- the lists would lack the feed. A feed without rows passes, and so do the logs that RecoMart writes.
with unclean_feeds as (

    select
        audit.feed,
        audit.loaded,
        audit.duplicates,
        audit.excluded,
        audit.quarantined,
        declared.keep_days
    from {{ ref('audit_feeds') }} as audit
    inner join {{ ref('stg_raw__feeds') }} as declared on audit.feed = declared.feed
    where audit.loaded > 0 and audit.clean = 0 and declared.kind not in ({{ quoted_list(log_kinds()) }})

),

reasons as (

    select
        days.feed,
        days.reason,
        sum(days.rows) as rows
    from {{ ref('audit_feed_day_reasons') }} as days
    where days.outcome = 'quarantined'
    group by days.feed, days.reason

),

-- A product is also unknown when no row of the catalog is clean. A reason that all rows have is the cause then.
causes as (

    select
        reasons.feed,
        reasons.reason,
        reasons.rows,
        row_number() over (partition by reasons.feed order by reasons.rows desc, reasons.reason) as reason_rank
    from reasons
    inner join unclean_feeds as feeds on reasons.feed = feeds.feed
    where
        reasons.reason != 'unknown_product'
        or not exists (
            select 1 from reasons as others
            where
                others.feed = reasons.feed
                and others.reason != 'unknown_product'
                and others.rows = feeds.quarantined
        )

),

frequent_reasons as (

    select
        feed,
        {{ dbt.listagg("concat(reason, ' (', rows, ')')", "', '", 'order by reason_rank') }} as reasons
    from causes
    where reason_rank <= 3
    group by feed

)

select
    concat_ws(
        '. ',
        concat(
            'feed ', feeds.feed, ': none of ', feeds.loaded, ' rows is clean: ',
            concat_ws(
                ', ',
                case
                    when feeds.duplicates = 1 then '1 duplicate'
                    when feeds.duplicates > 1 then concat(feeds.duplicates, ' duplicates')
                end,
                case when feeds.excluded > 0 then concat(feeds.excluded, ' excluded') end,
                case
                    when feeds.quarantined > 0
                        then concat(feeds.quarantined, ' quarantined for ', frequent_reasons.reasons)
                end
            )
        ),
        case
            when feeds.quarantined > 0
                then 'Correct the feed''s formats, time zone, event types or columns in the sources file'
        end,
        case
            when feeds.excluded > 0
                then 'Compare the values in the files with where, leave_out and ignored in the sources file'
        end,
        case
            when feeds.keep_days > 0
                then concat('If keep_days (', feeds.keep_days, ') erased clean rows, raise it or deliver newer files')
        end
    ) as message
from unclean_feeds as feeds
left join frequent_reasons on feeds.feed = frequent_reasons.feed
order by feeds.feed
