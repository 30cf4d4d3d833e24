{{ config(materialized='view') }}

select
    event_id,
    user_id,
    product_id,
    event_type,
    event_at,
    _day as event_date,
    device,
    session_id,
    _feed,
    _file,
    _line,
    _load_id
from {{ ref('int_events_classified') }}
where row_status = 'clean'
