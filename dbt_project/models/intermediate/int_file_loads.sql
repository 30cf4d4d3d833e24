{{ config(materialized='view') }}

select
    files.load_id,
    files.feed,
    files.path,
    feeds.kind,
    feeds.joined_to,
    feeds.typing_fingerprint,
    feeds.cancelled_transaction_prefix
from {{ ref('stg_raw__loaded_files') }} as files
inner join {{ ref('stg_raw__feeds') }} as feeds on files.feed = feeds.feed
