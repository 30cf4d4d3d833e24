select
    transaction_id,
    user_id,
    product_id,
    quantity,
    price,
    line_total,
    currency,
    purchased_at,
    product_name,
    category,
    brand,
    _extra,
    _feed,
    _file,
    _line,
    _load_id
from {{ source('raw', 'purchases') }}
