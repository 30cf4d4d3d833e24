{{ config(materialized='view') }}

select
    _feed,
    _file,
    _line,
    reasons,
    product_id,
    product_name,
    category,
    brand,
    price,
    popularity_score,
    is_available,
    updated_at,
    unreadable_price,
    _extra
from {{ ref('int_products_classified') }}
where row_status = 'quarantined'
