with classified as (

    select _load_id, row_status, reasons, event_at as row_at from {{ ref('int_events_classified') }}
    union all
    select _load_id, row_status, reasons, purchased_at as row_at from {{ ref('int_purchases_classified') }}
    union all
    select _load_id, row_status, reasons, updated_at as row_at from {{ ref('int_products_classified') }}

),

counted as (

    select
        _load_id,
        row_status,
        reasons,
        count(*) as rows,
        max(row_at) as newest_row_at
    from classified
    group by _load_id, row_status, reasons

),

final as (

    select
        readings.feed,
        readings.path,
        counted.row_status,
        counted.reasons,
        counted.rows,
        counted.newest_row_at
    from counted
    inner join {{ ref('int_readings') }} as readings on counted._load_id = readings.load_id

)

select * from final
