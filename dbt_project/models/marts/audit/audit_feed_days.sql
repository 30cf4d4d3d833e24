with counted as (

    select
        *,
        (rejected + quarantined) / nullif(cast(lines as {{ type_double() }}), 0) as bad_share,
        -- Each day of a feed has a row.
        count(case when lines > 0 then 1 end) over (
            partition by feed
            order by delivery_day rows between 28 preceding and 1 preceding
        ) as busy_days_before
    from {{ ref('int_feed_days_counted') }}

),

weeks as (

    {% for weeks in range(1, 5) -%}
    select {{ weeks }} as weeks_before{{ '\n    union all\n    ' if not loop.last }}
    {%- endfor %}

),

same_weekdays_before as (

    select
        counted.feed,
        counted.delivery_day,
        max(case when weeks.weeks_before = 1 then earlier.lines end) as lines_week_before,
        max(case when weeks.weeks_before = 1 then earlier.bad_share end) as bad_share_week_before,
        percentile_cont(0.5) within group (order by earlier.lines) as usual_lines,
        percentile_cont(0.5) within group (order by earlier.bad_share) as usual_bad_share
    from counted
    cross join weeks
    inner join counted as earlier
        on counted.feed = earlier.feed
        and cast({{ dbt.dateadd('day', '-7 * weeks.weeks_before', 'counted.delivery_day') }} as date) = earlier.delivery_day
    group by counted.feed, counted.delivery_day

),

compared as (

    select
        counted.*,
        {{ dbt.datediff('counted.newest_row_at', 'counted.last_loaded_at', 'second') }} / 3600.0 as hours_to_load,
        before.lines_week_before,
        cast(before.usual_lines as {{ type_double() }}) as usual_lines,
        counted.lines / nullif(cast(before.lines_week_before as {{ type_double() }}), 0) as volume_to_week_before,
        counted.lines / nullif(cast(before.usual_lines as {{ type_double() }}), 0) as volume_to_usual,
        before.bad_share_week_before,
        before.usual_bad_share,
        counted.bad_share - before.bad_share_week_before as bad_share_over_week_before,
        counted.bad_share - before.usual_bad_share as bad_share_over_usual
    from counted
    left join same_weekdays_before as before
        on counted.feed = before.feed
        and counted.delivery_day = before.delivery_day

),

judged as (

    select
        *,
        coalesce(
            greatest(lines, usual_lines) >= {{ var('audit_least_lines') }}
            and (
                volume_to_usual >= {{ var('audit_volume_jump') }}
                or volume_to_usual <= 1.0 / {{ var('audit_volume_jump') }}
                -- Of a feed that comes once in a while nothing is usual on every day but one: when it is late, or early, it
                -- has not jumped.
                or (usual_lines = 0 and lines > 0 and busy_days_before >= 14)
            ),
            false
        ) as is_volume_jump,
        coalesce(
            lines >= {{ var('audit_least_lines') }}
            and bad_share_over_usual >= {{ var('audit_bad_share_jump') }},
            false
        ) as is_bad_share_jump
    from compared

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
        lines_week_before,
        usual_lines,
        volume_to_week_before,
        volume_to_usual,
        bad_share_week_before,
        usual_bad_share,
        bad_share_over_week_before,
        bad_share_over_usual,
        is_volume_jump,
        is_bad_share_jump,
        nullif(concat_ws('; ',
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
            case when rejected_files > 0 then concat('unreadable files: ', rejected_files) end
        ), '') as warning
    from judged

)

select * from final
