{{ config(materialized='view') }}

select
    file_loads.feed as _feed,
    file_loads.path as _file,
    events._line,
    events.reasons,
    events.user_id,
    events.product_id,
    events.event_type,
    events.event_at,
    events.device,
    events.session_id,
    events.transaction_id,
    events.quantity,
    {{ cast_to_price('events.price') }} as price,
    events.unreadable_event_type,
    events.unreadable_event_at,
    events.unreadable_quantity,
    events.unreadable_price,
    {{ raw_row_json('raw_events', raw_columns('events')) }} as raw_row
from {{ ref('int_events_classified') }} as events
inner join {{ ref('int_file_loads') }} as file_loads on events._load_id = file_loads.load_id
-- A quarantined row is kept even if its raw row is missing.
left join {{ ref('stg_raw__events') }} as raw_events
    on events._load_id = raw_events._load_id
    and events._line = raw_events._line
where events.row_status = 'quarantined'
