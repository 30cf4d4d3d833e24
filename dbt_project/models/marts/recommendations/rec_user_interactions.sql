{{ config(materialized='view') }}

select
    user_id,
    product_id,
    strength,
    repeat_score
from {{ ref('ml_interactions') }}
where cutoff = 'now'
