{{ config(materialized='view') }}

with quarantined as (

    select * from {{ ref('int_purchases_classified') }}
    where row_status = 'quarantined'

),

file_loads as (

    select * from {{ ref('int_file_loads') }}

),

raw_purchases as (

    select * from {{ ref('stg_raw__purchases') }}

),

final as (

    select
        file_loads.feed as _feed,
        file_loads.path as _file,
        quarantined._line,
        quarantined.reasons,
        quarantined.transaction_id,
        quarantined.user_id,
        quarantined.product_id,
        quarantined.quantity,
        {{ cast_to_price('quarantined.price') }} as price,
        quarantined.purchased_at,
        quarantined.unreadable_quantity,
        quarantined.unreadable_price,
        quarantined.unreadable_purchased_at,
        {{ raw_row_json('raw_purchases', [
            'transaction_id', 'user_id', 'product_id', 'quantity', 'price', 'purchased_at', 'product_name',
            'category', 'brand',
        ]) }} as raw_row
    from quarantined
    inner join file_loads on quarantined._load_id = file_loads.load_id
    -- A quarantined row is kept even if its raw row is missing.
    left join raw_purchases
        on quarantined._load_id = raw_purchases._load_id
        and quarantined._line = raw_purchases._line

)

select * from final
