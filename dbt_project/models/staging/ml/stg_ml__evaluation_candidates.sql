select
    run_id,
    cutoff,
    method,
    user_id,
    product_id,
    rank,
    score
from {{ source('ml', 'evaluation_candidates') }}
