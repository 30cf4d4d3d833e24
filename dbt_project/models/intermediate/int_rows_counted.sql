with classified as (

    select _feed, _file, row_status, reasons, event_at as row_at from {{ ref('int_events_classified') }}
    union all
    select _feed, _file, row_status, reasons, purchased_at as row_at from {{ ref('int_purchases_classified') }}
    union all
    select _feed, _file, row_status, reasons, updated_at as row_at from {{ ref('int_products_classified') }}

),

final as (

    select
        _feed as feed,
        _file as path,
        row_status,
        reasons,
        count(*) as rows,
        max(row_at) as newest_row_at
    from classified
    group by _feed, _file, row_status, reasons

)

select * from final
