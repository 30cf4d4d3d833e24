select
    feed,
    kind,
    joined_to,
    typing_fingerprint,
    cancelled_transaction_prefix
from {{ source('raw', 'feeds') }}
