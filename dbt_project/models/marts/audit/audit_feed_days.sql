with feed_days as (

    select
        *,
        {{ safe_divide('rejected + quarantined', 'lines') }} as bad_share,
        -- int_feed_day_counts has one row for each day of a feed, also without a file, so 28 rows are 28 days.
        count(case when lines > 0 then 1 end) over (
            partition by feed
            order by delivery_day rows between 28 preceding and 1 preceding
        ) as active_days_before
    from {{ ref('int_feed_day_counts') }}

),

compared as (

    select
        feed_days.*,
        usual_values.usual_lines,
        {{ safe_divide('feed_days.lines', 'usual_values.usual_lines') }} as volume_ratio_to_usual,
        usual_values.usual_bad_share,
        feed_days.bad_share - usual_values.usual_bad_share as bad_share_change_from_usual,
        unusual_days.is_duplicates_only,
        unusual_days.has_no_purchases
    from feed_days
    inner join {{ ref('int_unusual_feed_days') }} as unusual_days
        on feed_days.feed = unusual_days.feed
        and feed_days.delivery_day = unusual_days.delivery_day
    left join {{ ref('int_usual_feed_days') }} as usual_values
        on feed_days.feed = usual_values.feed
        and feed_days.delivery_day = usual_values.delivery_day

),

flagged as (

    select
        *,
        coalesce(
            greatest(lines, usual_lines) >= {{ var('min_audit_lines') }}
            and (
                volume_ratio_to_usual >= {{ var('audit_volume_jump') }}
                or volume_ratio_to_usual <= 1.0 / {{ var('audit_volume_jump') }}
                -- Lines on a day that usually has none are a jump only if the feed had lines on half of the 28 days
                -- before. For a rarer feed, they are an early or late delivery.
                or (usual_lines = 0 and lines > 0 and active_days_before >= 14)
            ),
            false
        ) as is_volume_jump,
        coalesce(
            lines >= {{ var('min_audit_lines') }}
            and bad_share_change_from_usual >= {{ var('audit_bad_share_jump') }},
            false
        ) as is_bad_share_jump
    from compared

)

select
    feed,
    delivery_day,
    files,
    rejected_files,
    lines,
    loaded,
    rejected,
    clean,
    duplicates,
    excluded,
    quarantined,
    bad_share,
    newest_row_at,
    last_loaded_at,
    cast({{ dbt.datediff('newest_row_at', 'last_loaded_at', 'second') }} / 3600.0 as {{ type_double() }})
        as hours_to_load,
    usual_lines,
    volume_ratio_to_usual,
    usual_bad_share,
    bad_share_change_from_usual,
    is_volume_jump,
    is_bad_share_jump,
    is_duplicates_only,
    has_no_purchases,
    nullif(concat_ws(
        '; ',
        case
            when is_volume_jump
                then concat(lines, ' lines where ', cast(usual_lines as {{ dbt.type_bigint() }}), ' are usual')
        end,
        case
            when is_bad_share_jump then concat(
                    {{ format_percent('bad_share') }}, ' of the lines bad where ',
                    {{ format_percent('usual_bad_share') }}, ' are usual'
                )
        end,
        case when is_duplicates_only then concat('all ', loaded, ' rows are duplicates of other deliveries') end,
        case when has_no_purchases then 'no purchases, where the days before have some' end,
        case when rejected_files > 0 then concat('rejected files: ', rejected_files) end
    ), '') as warning
from flagged
