with status_counts as (

    select
        feed,
        path,
        sum(case when row_status = 'clean' then rows end) as clean,
        sum(case when row_status = 'duplicate' then rows end) as duplicates,
        sum(case when row_status = 'excluded' then rows end) as excluded,
        sum(case when row_status = 'quarantined' then rows end) as quarantined,
        -- Excluded rows date only a file without other rows.
        coalesce(
            max(case when row_status != 'excluded' then newest_row_at end), max(newest_row_at)
        ) as newest_row_at,
        max(case when row_status = 'clean' then newest_row_at end) as newest_clean_row_at
    from {{ ref('int_row_status_counts') }}
    group by feed, path

)

select
    ledger.feed,
    ledger.path,
    coalesce(
        {{ delivery_day('ledger.path', 'status_counts.newest_row_at', 'ledger.loaded_at') }},
        cast(ledger.loaded_at as date)
    ) as delivery_day,
    ledger.lines,
    ledger.rows_loaded as loaded,
    ledger.rows_rejected as rejected,
    {% for count in ['clean', 'duplicates', 'excluded', 'quarantined'] -%}
    cast(coalesce(status_counts.{{ count }}, 0) as {{ dbt.type_bigint() }}) as {{ count }},
    {% endfor -%}
    status_counts.newest_clean_row_at as newest_row_at,
    ledger.loaded_at
from {{ ref('stg_raw__loaded_files') }} as ledger
left join status_counts on ledger.feed = status_counts.feed and ledger.path = status_counts.path
