{{ config(materialized='view') }}

with quarantined as (

    select * from {{ ref('int_events_classified') }}
    where row_status = 'quarantined'

),

readings as (

    select * from {{ ref('int_readings') }}

),

arrived as (

    select * from {{ source('raw', 'events') }}

),

final as (

    select
        readings.feed as _feed,
        readings.path as _file,
        quarantined._line,
        quarantined.reasons,
        quarantined.user_id,
        quarantined.product_id,
        quarantined.event_type,
        quarantined.event_at,
        quarantined.device,
        quarantined.session_id,
        quarantined.transaction_id,
        quarantined.quantity,
        quarantined.price,
        quarantined.unreadable_event_type,
        quarantined.unreadable_event_at,
        quarantined.unreadable_quantity,
        quarantined.unreadable_price,
        {{ raw_row('arrived', [
            'event_id', 'user_id', 'product_id', 'event_type', 'event_at', 'device', 'session_id',
            'transaction_id', 'quantity', 'price', 'product_name', 'category', 'brand',
        ]) }} as raw_row
    from quarantined
    inner join readings on quarantined._load_id = readings.load_id
    left join arrived
        on quarantined._load_id = arrived._load_id
        and quarantined._line = arrived._line

)

select * from final
