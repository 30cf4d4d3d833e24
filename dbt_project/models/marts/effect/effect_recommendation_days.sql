-- The readers of the published copy show these columns; effect_recommendations has ten times as many rows or more.
select
    day,
    basis,
    placement,
    rank,
    source,
    {% for count in ['impressions', 'clicks', 'add_to_carts', 'purchases', 'returns'] -%}
    cast(sum({{ count }}) as {{ dbt.type_bigint() }}) as {{ count }},
    {% endfor -%}
    {{ cast_to_amount('sum(revenue)') }} as revenue
from {{ ref('effect_recommendations') }}
group by day, basis, placement, rank, source
