select
    load_id,
    feed,
    path,
    lines,
    rows_loaded,
    rows_rejected,
    loaded_at
from {{ source('raw', 'loaded_files') }}
