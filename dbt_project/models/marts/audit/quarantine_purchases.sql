{{ config(materialized='view') }}

with quarantined as (

    select * from {{ ref('int_purchases_classified') }}
    where row_status = 'quarantined'

),

readings as (

    select * from {{ ref('int_readings') }}

),

arrived as (

    select * from {{ source('raw', 'purchases') }}

),

final as (

    select
        readings.feed as _feed,
        readings.path as _file,
        quarantined._line,
        quarantined.reasons,
        quarantined.transaction_id,
        quarantined.user_id,
        quarantined.product_id,
        quarantined.quantity,
        quarantined.price,
        quarantined.purchased_at,
        quarantined.unreadable_quantity,
        quarantined.unreadable_price,
        quarantined.unreadable_purchased_at,
        {{ raw_row('arrived', [
            'transaction_id', 'user_id', 'product_id', 'quantity', 'price', 'purchased_at', 'product_name',
            'category', 'brand',
        ]) }} as raw_row
    from quarantined
    inner join readings on quarantined._load_id = readings.load_id
    left join arrived
        on quarantined._load_id = arrived._load_id
        and quarantined._line = arrived._line

)

select * from final
