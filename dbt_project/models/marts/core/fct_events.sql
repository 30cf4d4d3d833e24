{{ config(materialized='view') }}

select
    events.event_id,
    events.user_id,
    events.product_id,
    events.event_type,
    events.event_at,
    events._row_date as event_date,
    events.device,
    events.session_id,
    file_loads.feed as _feed,
    file_loads.path as _file,
    events._line,
    events._load_id
from {{ ref('int_events_classified') }} as events
inner join {{ ref('int_file_loads') }} as file_loads on events._load_id = file_loads.load_id
where events.row_status = 'clean' and {{ is_in_sample('events.user_id') }}
