select
    product_id,
    product_name,
    category,
    brand,
    price,
    currency,
    popularity_score,
    is_available,
    updated_at,
    _extra,
    _feed,
    _file,
    _line,
    _load_id
from {{ source('raw', 'products') }}
