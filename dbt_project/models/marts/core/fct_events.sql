{{ config(materialized='view') }}

select
    events.event_id,
    events.user_id,
    events.product_id,
    events.event_type,
    events.event_at,
    events._day as event_date,
    events.device,
    events.session_id,
    readings.feed as _feed,
    readings.path as _file,
    events._line,
    events._load_id
from {{ ref('int_events_classified') }} as events
inner join {{ ref('int_readings') }} as readings on events._load_id = readings.load_id
where events.row_status = 'clean'
