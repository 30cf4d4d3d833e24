-- In a young shop all customers are new. Their bins need a history before the reference as long as the reference itself.
with ranked_bins as (

    select
        *,
        row_number() over (partition by name order by reference_rows desc, bin) as size_rank
    from {{ ref('int_action_mix_counts') }}
    where
        reference_rows + current_rows > 0
        and (
            name != 'customer'
            or (
                select min(periods.days_before_reference) from {{ ref('int_drift_periods') }} as periods
                where periods.kind = 'mix'
            ) >= {{ var('drift_reference_days') }}
        )

)

-- The bins after the largest ones of the reference are merged into (other). Only categories have that many bins.
select
    name,
    case when size_rank <= {{ var('max_drift_bins') }} then bin else '(other)' end as bin,
    cast(min(bin_order) as {{ type_double() }}) as bin_order,
    cast(sum(reference_rows) as {{ dbt.type_bigint() }}) as reference_rows,
    cast(sum(current_rows) as {{ dbt.type_bigint() }}) as current_rows
from ranked_bins
group by name, case when size_rank <= {{ var('max_drift_bins') }} then bin else '(other)' end
