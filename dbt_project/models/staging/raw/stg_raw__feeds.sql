select
    feed,
    kind,
    typing_fingerprint,
    cancelled_transaction_prefix
from {{ source('raw', 'feeds') }}
