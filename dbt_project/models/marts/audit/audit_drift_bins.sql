with bin_counts as (

    select 'mix' as kind, name, bin, bin_order, reference_rows, current_rows from {{ ref('int_action_mix_bins') }}
    union all
    select 'feature' as kind, name, bin, bin_order, reference_rows, current_rows from {{ ref('int_feature_bins') }}

),

shares as (

    select
        *,
        {{ safe_divide('reference_rows', 'sum(reference_rows) over (partition by kind, name)') }} as reference_share,
        coalesce({{ safe_divide('current_rows', 'sum(current_rows) over (partition by kind, name)') }}, 0)
            as current_share
    from bin_counts

),

-- The logarithm of an empty bin's share does not exist. A name without reference rows has no shares.
bounded_shares as (

    select
        *,
        greatest(reference_share, {{ var('min_drift_share') }}) as bounded_reference_share,
        greatest(current_share, {{ var('min_drift_share') }}) as bounded_current_share
    from shares
    where reference_share is not null

)

select
    kind,
    name,
    cast(row_number() over (partition by kind, name order by bin_order, bin) as integer) as bin_number,
    bin,
    reference_rows,
    current_rows,
    reference_share,
    current_share,
    cast({{ cast_to_decimal(
        '(bounded_current_share - bounded_reference_share) * ln(bounded_current_share / bounded_reference_share)'
    ) }} as {{ type_double() }}) as psi_contribution
from bounded_shares
