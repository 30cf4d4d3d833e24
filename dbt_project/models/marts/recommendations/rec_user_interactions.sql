{{ config(materialized='view') }}

select
    user_id,
    product_id,
    strength
from {{ ref('ml_interactions') }}
where cutoff = 'now'
