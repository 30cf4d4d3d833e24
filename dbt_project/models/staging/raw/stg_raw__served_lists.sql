select
    recommendation_id,
    served_at,
    user_id,
    session_id,
    placement,
    experiment,
    arm,
    run_id,
    product_ids,
    is_fallback,
    _extra,
    _feed,
    _file,
    _line,
    _load_id
from {{ source('raw', 'served_lists') }}
