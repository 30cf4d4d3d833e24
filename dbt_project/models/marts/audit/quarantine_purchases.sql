{{ config(materialized='view') }}

select
    file_loads.feed as _feed,
    file_loads.path as _file,
    purchases._line,
    purchases.reasons,
    purchases.transaction_id,
    purchases.user_id,
    purchases.product_id,
    purchases.quantity,
    {{ cast_to_price('purchases.price') }} as price,
    purchases.purchased_at,
    purchases.unreadable_quantity,
    purchases.unreadable_price,
    purchases.unreadable_purchased_at,
    {{ raw_row_json('raw_purchases', raw_columns('purchases')) }} as raw_row
from {{ ref('int_purchases_classified') }} as purchases
inner join {{ ref('int_file_loads') }} as file_loads on purchases._load_id = file_loads.load_id
-- A quarantined row is kept even if its raw row is missing.
left join {{ ref('stg_raw__purchases') }} as raw_purchases
    on purchases._load_id = raw_purchases._load_id
    and purchases._line = raw_purchases._line
where purchases.row_status = 'quarantined'
