{{ config(meta={'dagster': {'ref': {'name': 'audit_files'}}}) }}

-- For every loaded file, the raw rows are rows_loaded, the rejected rows are rows_rejected, and their sum is lines.
-- Dagster shows a test at an asset that the test depends on: -- depends_on: {{ ref('audit_files') }}
with raw_rows as (

    select _feed, _file from {{ source('raw', 'events') }}
    union all
    select _feed, _file from {{ source('raw', 'purchases') }}
    union all
    select _feed, _file from {{ source('raw', 'products') }}
    union all
    select _feed, _file from {{ source('raw', 'impressions') }}
    union all
    select _feed, _file from {{ source('raw', 'recommendation_lists') }}
    union all
    select _feed, _file from {{ source('raw', 'served_lists') }}

),

loaded as (

    select _feed as feed, _file as path, count(*) as loaded_rows from raw_rows
    group by _feed, _file

),

rejected as (

    select feed, path, count(*) as rejected_rows from {{ source('raw', 'rejected_rows') }}
    group by feed, path

)

select
    concat(
        coalesce(ledger.feed, loaded.feed), ', ', coalesce(ledger.path, loaded.path), ': the raw tables have ',
        coalesce(loaded.loaded_rows, 0), ' loaded and ', coalesce(rejected.rejected_rows, 0),
        ' rejected rows; the ledger counts ', coalesce(ledger.rows_loaded, 0), ' and ',
        coalesce(ledger.rows_rejected, 0), ' in ', coalesce(ledger.lines, 0),
        ' lines. Load the file again with recomart reload'
    ) as message
from {{ source('raw', 'loaded_files') }} as ledger
full outer join loaded on ledger.feed = loaded.feed and ledger.path = loaded.path
left join rejected on ledger.feed = rejected.feed and ledger.path = rejected.path
where
    ledger.feed is null
    or ledger.rows_loaded != coalesce(loaded.loaded_rows, 0)
    or ledger.rows_rejected != coalesce(rejected.rejected_rows, 0)
    or ledger.lines != coalesce(loaded.loaded_rows, 0) + coalesce(rejected.rejected_rows, 0)
