select
    impression_id,
    user_id,
    session_id,
    product_id,
    placement,
    position,
    seen_at,
    recommendation_id,
    _extra,
    _feed,
    _file,
    _line,
    _load_id
from {{ source('raw', 'impressions') }}
