with reasons as (

    select feed, path, 'quarantined' as outcome, {{ split_to_rows('reasons') }} as reason, rows
    from {{ ref('int_row_status_counts') }}
    where reasons is not null

    union all

    -- Errors that differ only in numbers are one reason.
    select
        feed,
        path,
        'rejected' as outcome,
        case
            when error like '% fields where the header has %' then 'another number of fields than the header'
            else {{ replace_all('error', '(^| )[0-9]+', backreference(1) ~ 'N') }}
        end as reason,
        1 as rows
    from {{ ref('stg_raw__rejected_rows') }}

)

select
    reasons.feed,
    files.delivery_day,
    reasons.outcome,
    reasons.reason,
    cast(sum(reasons.rows) as {{ dbt.type_bigint() }}) as rows
from reasons
inner join {{ ref('audit_files') }} as files on reasons.feed = files.feed and reasons.path = files.path
group by reasons.feed, files.delivery_day, reasons.outcome, reasons.reason
