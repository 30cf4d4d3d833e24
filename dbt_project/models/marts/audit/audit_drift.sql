with bins as (

    select
        *,
        row_number() over (partition by kind, name order by psi_part desc, position) as part_rank,
        concat(
            bin, ': ', {{ in_percent('present_share') }}, ' where ', {{ in_percent('reference_share') }}, ' were usual'
        ) as in_words
    from {{ ref('audit_drift_bins') }}

),

periods as (

    select
        kind,
        max(case when period = 'reference' then first_day end) as reference_first_day,
        max(case when period = 'reference' then last_day end) as reference_last_day,
        max(case when period = 'present' then first_day end) as present_first_day,
        max(case when period = 'present' then last_day end) as present_last_day
    from {{ ref('int_drift_periods') }}
    group by kind

),

summed as (

    select
        kind,
        name,
        count(*) as bins,
        sum(reference_rows) as reference_rows,
        sum(present_rows) as present_rows,
        {{ exact_sum('psi_part') }} as psi,
        max(case when part_rank = 1 then in_words end) as moved_most
    from bins
    group by kind, name

),

-- The actions of one customer's day are of one device and much alike: a shop's mix has as much chance in it as it has such
-- days. A feature has one value for each customer or product.
draws as (

    select
        'mix' as kind,
        {{ share('sum(days.action_count * days.action_count)', 'sum(days.action_count)') }} as rows_per_draw
    from {{ ref('int_user_days') }} as days
    inner join {{ ref('int_drift_periods') }} as periods on days.action_date between periods.first_day and periods.last_day
    where periods.kind = 'mix'

),

drawn as (

    select
        summed.*,
        coalesce(draws.rows_per_draw, 1) as rows_per_draw
    from summed
    left join draws on summed.kind = draws.kind

),

measured as (

    select
        *,
        cast(
            {{ exact(psi_by_chance('bins', 'nullif(reference_rows, 0)', 'nullif(present_rows, 0)', 'rows_per_draw')) }}
            as {{ type_double() }}
        ) as psi_by_chance
    from drawn

),

final as (

    select
        measured.kind,
        measured.name,
        periods.reference_first_day,
        periods.reference_last_day,
        periods.present_first_day,
        periods.present_last_day,
        cast(measured.bins as integer) as bins,
        cast(measured.reference_rows as {{ dbt.type_bigint() }}) as reference_rows,
        cast(measured.present_rows as {{ dbt.type_bigint() }}) as present_rows,
        measured.rows_per_draw,
        measured.psi,
        measured.psi_by_chance,
        case
            when measured.psi < {{ var('drift_look') }} or measured.psi <= measured.psi_by_chance then 'stable'
            when measured.psi < {{ var('drift_shifted') }} then 'look'
            else 'shifted'
        end as reading,
        measured.moved_most
    from measured
    inner join periods on measured.kind = periods.kind

)

select * from final
