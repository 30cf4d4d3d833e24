with bin_counts as (

    {% for kind, relation in {'mix': ref('int_action_mix_bins'), 'feature': ref('int_feature_bins')}.items() -%}
    select
        '{{ kind }}' as kind,
        name,
        bin,
        bin_order,
        reference_rows,
        current_rows
    from {{ relation }}
    {{ 'union all' if not loop.last }}
    {% endfor %}

),

totals as (

    select
        *,
        sum(reference_rows) over (partition by kind, name) as reference_total,
        sum(current_rows) over (partition by kind, name) as current_total
    from bin_counts

),

shares as (

    select
        *,
        {{ safe_divide('reference_rows', 'reference_total') }} as reference_share,
        coalesce({{ safe_divide('current_rows', 'current_total') }}, 0) as current_share
    from totals
    where reference_total > 0

),

-- The logarithm of an empty bin's share does not exist.
bounded_shares as (

    select
        *,
        greatest(reference_share, {{ var('min_drift_share') }}) as bounded_reference_share,
        greatest(current_share, {{ var('min_drift_share') }}) as bounded_current_share
    from shares

),

final as (

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

)

select * from final
