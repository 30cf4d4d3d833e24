select
    transaction_id,
    user_id,
    product_id,
    quantity,
    price,
    quantity * price as amount,
    purchased_at,
    cast(purchased_at as date) as purchase_date,
    is_return,
    session_id,
    device,
    _feed,
    _file,
    _line
from {{ ref('int_transactions_unioned') }}
