{{ config(materialized='view') }}

select
    transactions.transaction_id,
    transactions.user_id,
    transactions.product_id,
    transactions.quantity,
    {{ cast_to_price('transactions.price') }} as price,
    {{ cast_to_amount('transactions.quantity * transactions.price') }} as amount,
    transactions.purchased_at,
    transactions.purchase_date,
    transactions.is_return,
    transactions.session_id,
    transactions.device,
    file_loads.feed as _feed,
    file_loads.path as _file,
    transactions._line,
    transactions._load_id
from {{ ref('int_transactions_unioned') }} as transactions
inner join {{ ref('int_file_loads') }} as file_loads on transactions._load_id = file_loads.load_id
