with feed_days as (

    select
        counts.*,
        {{ dbt.datediff('counts.newest_row_at', 'counts.last_loaded_at', 'second') }} / 3600.0 as hours_to_load,
        baselines.bad_share,
        baselines.previous_week_lines,
        baselines.usual_lines,
        {{ safe_divide('counts.lines', 'baselines.previous_week_lines') }} as volume_ratio_to_previous_week,
        {{ safe_divide('counts.lines', 'baselines.usual_lines') }} as volume_ratio_to_usual,
        baselines.previous_week_bad_share,
        baselines.usual_bad_share,
        baselines.bad_share - baselines.previous_week_bad_share as bad_share_change_from_previous_week,
        baselines.bad_share - baselines.usual_bad_share as bad_share_change_from_usual,
        baselines.active_days_before
    from {{ ref('int_feed_day_counts') }} as counts
    inner join {{ ref('int_feed_day_baselines') }} as baselines
        on counts.feed = baselines.feed
        and counts.delivery_day = baselines.delivery_day

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
    from feed_days

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
    quarantined,
    bad_share,
    newest_row_at,
    last_loaded_at,
    cast(hours_to_load as {{ type_double() }}) as hours_to_load,
    previous_week_lines,
    usual_lines,
    volume_ratio_to_previous_week,
    volume_ratio_to_usual,
    previous_week_bad_share,
    usual_bad_share,
    bad_share_change_from_previous_week,
    bad_share_change_from_usual,
    is_volume_jump,
    is_bad_share_jump,
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
        case when rejected_files > 0 then concat('rejected files: ', rejected_files) end
    ), '') as warning
from flagged
