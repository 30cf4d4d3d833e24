{{ config(materialized='view') }}

select
    _feed,
    _file,
    _line,
    reasons,
    user_id,
    product_id,
    event_type,
    event_at,
    device,
    session_id,
    transaction_id,
    quantity,
    price,
    unreadable_event_type,
    unreadable_event_at,
    unreadable_quantity,
    unreadable_price,
    _extra
from {{ ref('int_events_classified') }}
where row_status = 'quarantined'
