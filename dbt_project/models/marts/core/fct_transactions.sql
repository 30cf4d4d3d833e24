{{ config(materialized='view') }}

select
    transaction_id,
    user_id,
    product_id,
    quantity,
    price,
    quantity * price as amount,
    purchased_at,
    purchase_date,
    is_return,
    session_id,
    device,
    _feed,
    _file,
    _line,
    _load_id
from {{ ref('int_transactions_unioned') }}
