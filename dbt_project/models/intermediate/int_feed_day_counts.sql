with loaded_file_counts as (

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

rejected_file_days as (

    select
        feed,
        coalesce(
            {{ delivery_day('path', 'cast(null as date)', 'rejected_at') }}, cast(rejected_at as date)
        ) as delivery_day
    from {{ ref('stg_raw__rejected_files') }}

),

rejected_file_counts as (

    select feed, delivery_day, count(*) as rejected_files
    from rejected_file_days
    group by feed, delivery_day

),

days_with_files as (

    select feed, delivery_day from loaded_file_counts
    union all
    select feed, delivery_day from rejected_file_counts

),

-- Days without a file are included up to the newest day of any feed, so that a missed delivery is visible.
feed_spans as (

    select
        feed,
        min(delivery_day) as first_date,
        (select max(delivery_day) from days_with_files) as last_date
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
        coalesce(loaded_file_counts.files, 0) as files,
        coalesce(rejected_file_counts.rejected_files, 0) as rejected_files,
        {% for count in ['lines', 'loaded', 'rejected', 'clean', 'duplicates', 'quarantined'] -%}
        cast(coalesce(loaded_file_counts.{{ count }}, 0) as {{ dbt.type_bigint() }}) as {{ count }},
        {% endfor -%}
        loaded_file_counts.newest_row_at,
        loaded_file_counts.last_loaded_at
    from days
    left join loaded_file_counts
        on days.feed = loaded_file_counts.feed
        and days.delivery_day = loaded_file_counts.delivery_day
    left join rejected_file_counts
        on days.feed = rejected_file_counts.feed
        and days.delivery_day = rejected_file_counts.delivery_day

)

select * from final
