select
    event_id,
    user_id,
    product_id,
    event_type,
    event_at,
    cast(event_at as date) as event_date,
    device,
    session_id,
    _feed,
    _file,
    _line
from {{ ref('int_events_classified') }}
where row_status = 'clean'
