{{ config(materialized='view') }}

select
    files.load_id,
    files.feed,
    feeds.kind,
    feeds.declaration
from {{ source('raw', 'loaded_files') }} as files
inner join {{ source('raw', 'feeds') }} as feeds on files.feed = feeds.feed
