{{ config(materialized='view') }}

select
    _feed,
    _file,
    _line,
    reasons,
    transaction_id,
    user_id,
    product_id,
    quantity,
    price,
    purchased_at,
    unreadable_quantity,
    unreadable_price,
    unreadable_purchased_at,
    _extra
from {{ ref('int_purchases_classified') }}
where row_status = 'quarantined'
