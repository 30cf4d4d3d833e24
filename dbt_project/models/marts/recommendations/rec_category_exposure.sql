with facets as (

    {% for facet in ['category', 'brand'] -%}
    select
        '{{ facet }}' as facet,
        coalesce({{ facet }}, '(unknown)') as facet_value,
        exposure.*
    from {{ ref('rec_product_exposure') }} as exposure
    {{ 'union all' if not loop.last }}
    {% endfor %}
),

totals as (

    select
        facet,
        facet_value,
        count(*) as product_count,
        {% for name, condition in {
            'recommendable': 'is_recommendable',
            'top_10': 'top_10_customer_count > 0',
            'shown': 'list_customer_count > 0',
            'never_shown': 'is_recommendable and list_customer_count = 0',
        }.items() -%}
        count(case when {{ condition }} then 1 end) as {{ name }}_product_count,
        {% endfor -%}
        cast(sum(top_10_customer_count) as {{ dbt.type_bigint() }}) as top_10_place_count,
        {{ exact_sum('quantity_28d') }} as quantity_28d,
        {{ cast_to_amount('sum(amount_28d)') }} as amount_28d
    from facets
    group by facet, facet_value

)

select
    *,
    round({{ safe_divide('top_10_product_count', 'recommendable_product_count') }}, 9) as top_10_coverage,
    {{ share_of_total('top_10_place_count', 'facet') }} as top_10_share,
    {{ share_of_total(not_negative('quantity_28d'), 'facet') }} as quantity_share_28d,
    {{ share_of_total(not_negative('amount_28d'), 'facet') }} as amount_share_28d
from totals
