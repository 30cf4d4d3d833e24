with counted as (

    {% for kind, relation in {'mix': ref('int_mix_counted'), 'feature': ref('int_features_counted')}.items() -%}
    select
        '{{ kind }}' as kind,
        name,
        bin,
        place,
        reference_rows,
        present_rows
    from {{ relation }}
    {{ 'union all' if not loop.last }}
    {% endfor %}

),

totals as (

    select
        *,
        sum(reference_rows) over (partition by kind, name) as reference_total,
        sum(present_rows) over (partition by kind, name) as present_total
    from counted

),

shares as (

    select
        *,
        {{ share('reference_rows', 'reference_total') }} as reference_share,
        coalesce({{ share('present_rows', 'present_total') }}, 0) as present_share
    from totals
    where reference_total > 0

),

final as (

    select
        kind,
        name,
        cast(row_number() over (partition by kind, name order by place, bin) as integer) as position,
        bin,
        reference_rows,
        present_rows,
        reference_share,
        present_share,
        cast({{ exact(psi_part('present_share', 'reference_share')) }} as {{ type_double() }}) as psi_part
    from shares

)

select * from final
