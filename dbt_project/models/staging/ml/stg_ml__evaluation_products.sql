select
    run_id,
    cutoff,
    product_id,
    customer_share,
    is_long_tail
from {{ source('ml', 'evaluation_products') }}
