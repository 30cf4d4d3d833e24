with recommended_products as (

    select
        product_id,
        count(*) as list_entry_count
    from {{ ref('rec_top_n') }}
    group by product_id

),

products as (

    select
        coalesce(rules.category, '(unknown)') as category,
        recommended_products.product_id is not null as is_recommended,
        coalesce(recommended_products.list_entry_count, 0) as list_entry_count
    from {{ ref('rec_product_rules') }} as rules
    left join recommended_products on rules.product_id = recommended_products.product_id
    where rules.is_recommendable

),

segments as (

    select 'all' as segment, 'all' as segment_value, is_recommended, list_entry_count from products
    union all
    select 'category' as segment, category as segment_value, is_recommended, list_entry_count from products

),

segment_totals as (

    select
        segment,
        segment_value,
        count(*) as recommendable_product_count,
        count(case when is_recommended then 1 end) as recommended_product_count,
        sum(list_entry_count) as list_entry_count
    from segments
    group by segment, segment_value

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
from segment_totals
