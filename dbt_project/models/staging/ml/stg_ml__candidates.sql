select
    run_id,
    user_id,
    product_id,
    rank,
    score,
    reason_product_id,
    reason_share
from {{ source('ml', 'candidates') }}
