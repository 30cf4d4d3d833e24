with feed_days as (

    select
        *,
        (rejected + quarantined) / nullif(cast(lines as {{ type_double() }}), 0) as bad_share,
        -- int_feed_day_counts has one row for each day of a feed, also without a file, so 28 rows are 28 days.
        count(case when lines > 0 then 1 end) over (
            partition by feed
            order by delivery_day rows between 28 preceding and 1 preceding
        ) as active_days_before
    from {{ ref('int_feed_day_counts') }}

),

weeks as (

    {% for weeks_before in range(1, 5) -%}
    select {{ weeks_before }} as weeks_before{{ '\n    union all\n    ' if not loop.last }}
    {%- endfor %}

),

-- The usual value is the median of the same weekday in the four weeks before.
usual_weekdays as (

    select
        feed_days.feed,
        feed_days.delivery_day,
        max(case when weeks.weeks_before = 1 then earlier_days.lines end) as previous_week_lines,
        max(case when weeks.weeks_before = 1 then earlier_days.bad_share end) as previous_week_bad_share,
        percentile_cont(0.5) within group (order by earlier_days.lines) as usual_lines,
        percentile_cont(0.5) within group (order by earlier_days.bad_share) as usual_bad_share
    from feed_days
    cross join weeks
    inner join feed_days as earlier_days
        on feed_days.feed = earlier_days.feed
        and cast({{ dbt.dateadd('day', '-7 * weeks.weeks_before', 'feed_days.delivery_day') }} as date)
        = earlier_days.delivery_day
    group by feed_days.feed, feed_days.delivery_day

),

feed_days_with_usual as (

    select
        feed_days.*,
        {{ dbt.datediff('feed_days.newest_row_at', 'feed_days.last_loaded_at', 'second') }} / 3600.0 as hours_to_load,
        usual_weekdays.previous_week_lines,
        cast(usual_weekdays.usual_lines as {{ type_double() }}) as usual_lines,
        feed_days.lines / nullif(cast(usual_weekdays.previous_week_lines as {{ type_double() }}), 0)
            as volume_ratio_to_previous_week,
        feed_days.lines / nullif(cast(usual_weekdays.usual_lines as {{ type_double() }}), 0) as volume_ratio_to_usual,
        usual_weekdays.previous_week_bad_share,
        usual_weekdays.usual_bad_share,
        feed_days.bad_share - usual_weekdays.previous_week_bad_share as bad_share_change_from_previous_week,
        feed_days.bad_share - usual_weekdays.usual_bad_share as bad_share_change_from_usual
    from feed_days
    left join usual_weekdays
        on feed_days.feed = usual_weekdays.feed
        and feed_days.delivery_day = usual_weekdays.delivery_day

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
    from feed_days_with_usual

),

final as (

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
                        cast(100 * bad_share as decimal(5, 1)), ' % of the lines bad where ',
                        cast(100 * usual_bad_share as decimal(5, 1)), ' % are usual'
                    )
            end,
            case when rejected_files > 0 then concat('rejected files: ', rejected_files) end
        ), '') as warning
    from flagged

)

select * from final
