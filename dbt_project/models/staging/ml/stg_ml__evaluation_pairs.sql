select
    run_id,
    cutoff,
    user_id,
    product_id,
    activity,
    customer,
    product,
    category,
    purchase
from {{ source('ml', 'evaluation_pairs') }}
