{{ config(materialized='view') }}

select
    files.load_id,
    files.feed,
    files.path,
    feeds.kind,
    feeds.typing_fingerprint,
    feeds.cancelled_transaction_prefix
from {{ source('raw', 'loaded_files') }} as files
inner join {{ source('raw', 'feeds') }} as feeds on files.feed = feeds.feed
