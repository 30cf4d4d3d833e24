with ledger as (

    select * from {{ source('raw', 'loaded_files') }}

),

classified as (

    select _feed, _file, row_status from {{ ref('int_events_classified') }}
    union all
    select _feed, _file, row_status from {{ ref('int_purchases_classified') }}
    union all
    select _feed, _file, row_status from {{ ref('int_products_classified') }}

),

counted as (

    select
        _feed,
        _file,
        count(case when row_status = 'clean' then 1 end) as clean,
        count(case when row_status = 'duplicate' then 1 end) as duplicates,
        count(case when row_status = 'quarantined' then 1 end) as quarantined
    from classified
    group by _feed, _file

),

final as (

    select
        ledger.feed,
        ledger.path,
        ledger.lines,
        ledger.rows_loaded as loaded,
        ledger.rows_rejected as rejected,
        coalesce(counted.clean, 0) as clean,
        coalesce(counted.duplicates, 0) as duplicates,
        coalesce(counted.quarantined, 0) as quarantined,
        ledger.loaded_at
    from ledger
    left join counted on ledger.feed = counted._feed and ledger.path = counted._file

)

select * from final
