select
    user_id,
    placement,
    published_at,
    experiment,
    arm,
    run_id,
    product_ids,
    sources,
    reason_keys,
    propensities,
    publication,
    _extra,
    _feed,
    _file,
    _line,
    _load_id
from {{ source('raw', 'recommendation_lists') }}
