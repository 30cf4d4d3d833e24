with quarantined as (

    select _feed, reasons from {{ ref('quarantine_events') }}
    union all
    select _feed, reasons from {{ ref('quarantine_purchases') }}
    union all
    select _feed, reasons from {{ ref('quarantine_products') }}

),

split as (

    select
        _feed as feed,
        {{ split_to_rows('reasons') }} as reason
    from quarantined

),

final as (

    select
        feed,
        reason,
        count(*) as rows
    from split
    group by feed, reason

)

select * from final
