select
    run_id,
    cutoff,
    user_id,
    product_id,
    activity,
    customer,
    product,
    category
from {{ source('ml', 'evaluation_pairs') }}
