with list_entry_counts as (

    select product_id, count(*) as list_entry_count
    from {{ ref('rec_top_n') }}
    group by product_id

),

products as (

    select
        coalesce(rules.category, '(unknown)') as category,
        list_entry_counts.list_entry_count
    from {{ ref('rec_product_rules') }} as rules
    left join list_entry_counts on rules.product_id = list_entry_counts.product_id
    where rules.is_recommendable

),

-- The total has a null category. A shop without recommendable products has no row.
segments as (

    select
        case when category is null then 'all' else 'category' end as segment,
        coalesce(category, 'all') as segment_value,
        count(*) as recommendable_product_count,
        count(list_entry_count) as recommended_product_count,
        coalesce(sum(list_entry_count), 0) as list_entry_count
    from products
    group by grouping sets ((), (category))
    having count(*) > 0

)

select
    segment,
    segment_value,
    recommendable_product_count,
    recommended_product_count,
    {{ safe_divide('recommended_product_count', 'recommendable_product_count') }} as coverage,
    {{ safe_divide('recommendable_product_count', 'sum(recommendable_product_count) over (partition by segment)') }}
        as catalog_share,
    cast(list_entry_count as {{ dbt.type_bigint() }}) as list_entry_count,
    {{ safe_divide('list_entry_count', 'sum(list_entry_count) over (partition by segment)') }} as list_entry_share
from segments
