with delivered as (

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

unreadable_files as (

    select
        feed,
        coalesce(
            {{ delivery_day('path', 'cast(null as date)', 'rejected_at') }}, cast(rejected_at as date)
        ) as delivery_day
    from {{ source('raw', 'rejected_files') }}

),

unreadable as (

    select feed, delivery_day, count(*) as rejected_files
    from unreadable_files
    group by feed, delivery_day

),

days_with_files as (

    select feed, delivery_day from delivered
    union all
    select feed, delivery_day from unreadable

),

-- A day on which nothing came is a day too, up to the newest of any feed: that is how a delivery is missed.
spans as (

    select
        feed,
        min(delivery_day) as first_day,
        (select max(delivery_day) from days_with_files) as last_day
    from days_with_files
    group by feed

),

days as (

    select feed, {{ each_day('first_day', 'last_day') }} as delivery_day
    from spans

),

final as (

    select
        days.feed,
        days.delivery_day,
        coalesce(delivered.files, 0) as files,
        coalesce(unreadable.rejected_files, 0) as rejected_files,
        {% for count in ['lines', 'loaded', 'rejected', 'clean', 'duplicates', 'quarantined'] -%}
        cast(coalesce(delivered.{{ count }}, 0) as {{ dbt.type_bigint() }}) as {{ count }},
        {% endfor -%}
        delivered.newest_row_at,
        delivered.last_loaded_at
    from days
    left join delivered on days.feed = delivered.feed and days.delivery_day = delivered.delivery_day
    left join unreadable on days.feed = unreadable.feed and days.delivery_day = unreadable.delivery_day

)

select * from final
