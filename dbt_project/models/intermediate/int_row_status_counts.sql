with classified as (

    select _load_id, row_status, reasons, event_at as row_at from {{ ref('int_events_classified') }}
    union all
    select _load_id, row_status, reasons, purchased_at as row_at from {{ ref('int_purchases_classified') }}
    union all
    select _load_id, row_status, reasons, updated_at as row_at from {{ ref('int_products_classified') }}
    union all
    select _load_id, row_status, reasons, seen_at as row_at from {{ ref('int_impressions_classified') }}
    union all
    select _load_id, row_status, reasons, published_at as row_at from {{ ref('int_recommendation_lists_classified') }}
    union all
    select _load_id, row_status, reasons, served_at as row_at from {{ ref('int_served_lists_classified') }}
    union all
    select _load_id, row_status, reasons, null as row_at from {{ ref('int_joined_rows_classified') }}

),

status_counts as (

    select
        _load_id,
        row_status,
        reasons,
        count(*) as rows,
        max(row_at) as newest_row_at
    from classified
    group by _load_id, row_status, reasons

)

select
    file_loads.feed,
    file_loads.path,
    status_counts.row_status,
    status_counts.reasons,
    status_counts.rows,
    status_counts.newest_row_at
from status_counts
inner join {{ ref('int_file_loads') }} as file_loads on status_counts._load_id = file_loads.load_id
