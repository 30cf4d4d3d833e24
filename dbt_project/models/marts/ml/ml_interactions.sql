{{ config(materialized='view') }}

select
    cutoff,
    as_of,
    user_id,
    product_id,
    strength,
    interaction_count,
    purchased_quantity > 0 as has_purchased,
    first_interaction_at,
    last_interaction_at
from {{ ref('feat_user_product_interactions') }}
where strength > 0
