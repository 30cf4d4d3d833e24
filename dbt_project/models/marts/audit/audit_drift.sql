with bins as (

    select
        *,
        row_number() over (partition by kind, name order by psi_contribution desc, bin_number) as contribution_rank,
        concat(
            bin, ': ', {{ format_percent('current_share') }},
            ' where ', {{ format_percent('reference_share') }}, ' were usual'
        ) as description
    from {{ ref('audit_drift_bins') }}

),

periods as (

    select
        kind,
        max(case when period = 'reference' then first_date end) as reference_first_date,
        max(case when period = 'reference' then last_date end) as reference_last_date,
        max(case when period = 'current' then first_date end) as current_first_date,
        max(case when period = 'current' then last_date end) as current_last_date
    from {{ ref('int_drift_periods') }}
    group by kind

),

psi_totals as (

    select
        kind,
        name,
        count(*) as bin_count,
        sum(reference_rows) as reference_rows,
        sum(current_rows) as current_rows,
        {{ exact_sum('psi_contribution') }} as psi,
        max(case when contribution_rank = 1 then description end) as largest_shift
    from bins
    group by kind, name

),

-- The actions of a customer's day have one device and are alike, so they are not independent draws. A feature has one
-- value for each customer or product and needs no correction.
design_effects as (

    select
        'mix' as kind,
        {{ safe_divide('sum(days.action_count * days.action_count)', 'sum(days.action_count)') }} as design_effect
    from {{ ref('int_user_days') }} as days
    inner join {{ ref('int_drift_periods') }} as periods
        on days.action_date between periods.first_date
        and periods.last_date
    where periods.kind = 'mix'

),

psi_with_design_effect as (

    select
        psi_totals.*,
        coalesce(design_effects.design_effect, 1) as design_effect
    from psi_totals
    left join design_effects on psi_totals.kind = design_effects.kind

),

psi_tests as (

    select
        *,
        cast(
            {{ cast_to_decimal(psi_critical_value(
                'bin_count', 'nullif(reference_rows, 0)', 'nullif(current_rows, 0)', 'design_effect'
            )) }}
            as {{ type_double() }}
        ) as psi_critical_value
    from psi_with_design_effect

),

final as (

    select
        psi_tests.kind,
        psi_tests.name,
        periods.reference_first_date,
        periods.reference_last_date,
        periods.current_first_date,
        periods.current_last_date,
        cast(psi_tests.bin_count as integer) as bin_count,
        cast(psi_tests.reference_rows as {{ dbt.type_bigint() }}) as reference_rows,
        cast(psi_tests.current_rows as {{ dbt.type_bigint() }}) as current_rows,
        psi_tests.design_effect,
        psi_tests.psi,
        psi_tests.psi_critical_value,
        case
            when psi_tests.psi < {{ var('drift_moderate_psi') }} or psi_tests.psi <= psi_tests.psi_critical_value
                then 'stable'
            when psi_tests.psi < {{ var('drift_significant_psi') }} then 'moderate'
            else 'significant'
        end as drift_level,
        psi_tests.largest_shift
    from psi_tests
    inner join periods on psi_tests.kind = periods.kind

)

select * from final
