{%- set counts = [
    'files', 'rejected_files', 'lines', 'loaded', 'rejected', 'clean', 'duplicates', 'excluded', 'quarantined',
] -%}
with files as (

    select
        feed,
        delivery_day,
        1 as files,
        0 as rejected_files,
        lines,
        loaded,
        rejected,
        clean,
        duplicates,
        excluded,
        quarantined,
        newest_row_at,
        loaded_at
    from {{ ref('audit_files') }}

    union all

    select
        feed,
        coalesce(
            {{ delivery_day('path', 'cast(null as date)', 'rejected_at') }}, cast(rejected_at as date)
        ) as delivery_day,
        0 as files,
        1 as rejected_files,
        0 as lines,
        0 as loaded,
        0 as rejected,
        0 as clean,
        0 as duplicates,
        0 as excluded,
        0 as quarantined,
        null as newest_row_at,
        null as loaded_at
    from {{ ref('stg_raw__rejected_files') }}

),

-- Days without a file are included up to the newest day of any feed of the shop, so that a missed delivery is visible. The
-- logs of recommendations end with their own newest day: they go on while the shop delivers nothing.
feed_spans as (

    select
        feed,
        min(delivery_day) as first_date,
        case
            when feed in ({{ quoted_list(log_kinds()) }}) then max(delivery_day)
            else (
                select max(shop_files.delivery_day) from files as shop_files
                where shop_files.feed not in ({{ quoted_list(log_kinds()) }})
            )
        end as last_date
    from files
    group by feed

),

days as (

    select feed, {{ date_series('first_date', 'last_date') }} as delivery_day
    from feed_spans

)

select
    days.feed,
    days.delivery_day,
    {% for count in counts -%}
    cast(coalesce(sum(files.{{ count }}), 0) as {{ dbt.type_bigint() }}) as {{ count }},
    {% endfor -%}
    max(files.newest_row_at) as newest_row_at,
    max(files.loaded_at) as last_loaded_at
from days
left join files on days.feed = files.feed and days.delivery_day = files.delivery_day
group by days.feed, days.delivery_day
