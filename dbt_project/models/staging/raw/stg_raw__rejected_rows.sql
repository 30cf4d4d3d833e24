select
    feed,
    path,
    line,
    text,
    error
from {{ source('raw', 'rejected_rows') }}
