select
    feed,
    kind,
    joined_to,
    typing_fingerprint,
    cancelled_transaction_prefix,
    expected_hours,
    keep_days
from {{ source('raw', 'feeds') }}
