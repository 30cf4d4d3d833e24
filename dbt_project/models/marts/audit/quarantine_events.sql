{{ config(materialized='view') }}

with quarantined as (

    select * from {{ ref('int_events_classified') }}
    where row_status = 'quarantined'

),

file_loads as (

    select * from {{ ref('int_file_loads') }}

),

raw_events as (

    select * from {{ ref('stg_raw__events') }}

),

final as (

    select
        file_loads.feed as _feed,
        file_loads.path as _file,
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
        {{ cast_to_price('quarantined.price') }} as price,
        quarantined.unreadable_event_type,
        quarantined.unreadable_event_at,
        quarantined.unreadable_quantity,
        quarantined.unreadable_price,
        {{ raw_row_json('raw_events', [
            'event_id', 'user_id', 'product_id', 'event_type', 'event_at', 'device', 'session_id',
            'transaction_id', 'quantity', 'price', 'product_name', 'category', 'brand',
        ]) }} as raw_row
    from quarantined
    inner join file_loads on quarantined._load_id = file_loads.load_id
    -- A quarantined row is kept even if its raw row is missing.
    left join raw_events
        on quarantined._load_id = raw_events._load_id
        and quarantined._line = raw_events._line

)

select * from final
