{{ config(materialized='view') }}

select
    products._feed,
    products._file,
    products._line,
    products.reasons,
    products.product_id,
    products.product_name,
    products.category,
    products.brand,
    {{ cast_to_price('products.price') }} as price,
    products.popularity_score,
    products.is_available,
    products.updated_at,
    products.unreadable_price,
    {{ raw_row_json('raw_products', raw_columns('products')) }} as raw_row
from {{ ref('int_products_classified') }} as products
-- A quarantined row is kept even if its raw row is missing.
left join {{ ref('stg_raw__products') }} as raw_products
    on products._load_id = raw_products._load_id
    and products._line = raw_products._line
where products.row_status = 'quarantined'
