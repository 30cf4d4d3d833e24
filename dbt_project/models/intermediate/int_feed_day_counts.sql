with loaded_files as (

    select
        feed,
        delivery_day,
        count(*) as files,
        {% for count in ['lines', 'loaded', 'rejected', 'clean', 'duplicates', 'quarantined'] -%}
        sum({{ count }}) as {{ count }},
        {% endfor -%}
        max(newest_row_at) as newest_row_at,
        max(loaded_at) as last_loaded_at
    from {{ ref('audit_files') }}
    group by feed, delivery_day

),

rejected_files_by_day as (

    select
        feed,
        coalesce(
            {{ delivery_day('path', 'cast(null as date)', 'rejected_at') }}, cast(rejected_at as date)
        ) as delivery_day
    from {{ ref('stg_raw__rejected_files') }}

),

unreadable as (

    select feed, delivery_day, count(*) as rejected_files
    from rejected_files_by_day
    group by feed, delivery_day

),

days_with_files as (

    select feed, delivery_day from loaded_files
    union all
    select feed, delivery_day from unreadable

),

-- A day on which nothing came is a day too, up to the newest of any feed: that is how a delivery is missed.
feed_spans as (

    select
        feed,
        min(delivery_day) as first_date,
        (select max(all_days.delivery_day) from days_with_files as all_days) as last_date
    from days_with_files
    group by feed

),

days as (

    select feed, {{ date_series('first_date', 'last_date') }} as delivery_day
    from feed_spans

),

final as (

    select
        days.feed,
        days.delivery_day,
        coalesce(loaded_files.files, 0) as files,
        coalesce(unreadable.rejected_files, 0) as rejected_files,
        {% for count in ['lines', 'loaded', 'rejected', 'clean', 'duplicates', 'quarantined'] -%}
        cast(coalesce(loaded_files.{{ count }}, 0) as {{ dbt.type_bigint() }}) as {{ count }},
        {% endfor -%}
        loaded_files.newest_row_at,
        loaded_files.last_loaded_at
    from days
    left join loaded_files on days.feed = loaded_files.feed and days.delivery_day = loaded_files.delivery_day
    left join unreadable on days.feed = unreadable.feed and days.delivery_day = unreadable.delivery_day

)

select * from final
