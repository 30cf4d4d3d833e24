with periods as (

    select * from {{ ref('int_drift_periods') }}

),

-- Rows that are drawn together count as one draw for every design_effect rows (Kish, Survey Sampling, 1965: the sum of the
-- squared row counts of the draws over the sum of the row counts). The actions of a customer's day have one device and are
-- alike. A feature has one value for each customer or product and needs no correction.
design_effects as (

    select
        'mix' as kind,
        {{ safe_divide('sum(days.action_count * days.action_count)', 'sum(days.action_count)') }} as design_effect
    from {{ ref('int_user_days') }} as days
    inner join periods on days.action_date between periods.first_date and periods.last_date
    where periods.kind = 'mix'

),

bins as (

    select
        *,
        row_number() over (partition by kind, name order by psi_contribution desc, bin_number) as contribution_rank
    from {{ ref('audit_drift_bins') }}

),

totals as (

    select
        kind,
        name,
        count(*) as bin_count,
        greatest(count(*) - 1, 1.0) as degrees_of_freedom,
        sum(reference_rows) as reference_rows,
        sum(current_rows) as current_rows,
        {{ exact_sum('psi_contribution') }} as psi,
        max(case
            when contribution_rank = 1 then concat(
                    bin, ': ', {{ format_percent('current_share') }},
                    ' where ', {{ format_percent('reference_share') }}, ' were usual'
                )
        end) as largest_shift
    from bins
    group by kind, name

),

-- The index is distributed as (1 / draws of one sample + 1 / draws of the other) times a chi-squared variable with one
-- degree of freedom less than the number of bins (Yurdakul and Naranjo, Statistical properties of the population stability
-- index, 2020). This is the Wilson-Hilferty approximation of its 99.9 % quantile; 3.0902 is that of the standard normal
-- distribution.
psi_tests as (

    select
        totals.*,
        coalesce(design_effects.design_effect, 1) as design_effect,
        totals.degrees_of_freedom
        * power(
            1 - 2 / (9 * totals.degrees_of_freedom) + 3.0902 * sqrt(2 / (9 * totals.degrees_of_freedom)), 3
        )
        * coalesce(design_effects.design_effect, 1)
        * (1.0 / nullif(totals.reference_rows, 0) + 1.0 / nullif(totals.current_rows, 0)) as psi_critical_value
    from totals
    left join design_effects on totals.kind = design_effects.kind

)

select
    psi_tests.kind,
    psi_tests.name,
    reference_periods.first_date as reference_first_date,
    reference_periods.last_date as reference_last_date,
    current_periods.first_date as current_first_date,
    current_periods.last_date as current_last_date,
    cast(psi_tests.bin_count as integer) as bin_count,
    cast(psi_tests.reference_rows as {{ dbt.type_bigint() }}) as reference_rows,
    cast(psi_tests.current_rows as {{ dbt.type_bigint() }}) as current_rows,
    psi_tests.design_effect,
    psi_tests.psi,
    cast({{ cast_to_decimal('psi_tests.psi_critical_value') }} as {{ type_double() }}) as psi_critical_value,
    case
        when psi_tests.psi < {{ var('drift_moderate_psi') }} or psi_tests.psi <= psi_tests.psi_critical_value
            then 'stable'
        when psi_tests.psi < {{ var('drift_significant_psi') }} then 'moderate'
        else 'significant'
    end as drift_level,
    psi_tests.largest_shift
from psi_tests
inner join periods as reference_periods
    on psi_tests.kind = reference_periods.kind
    and reference_periods.period = 'reference'
inner join periods as current_periods
    on psi_tests.kind = current_periods.kind
    and current_periods.period = 'current'
