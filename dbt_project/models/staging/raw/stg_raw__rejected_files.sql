select
    feed,
    path,
    error,
    rejected_at
from {{ source('raw', 'rejected_files') }}
