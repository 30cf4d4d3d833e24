with list_entry_counts as (

    select
        product_id,
        count(*) as list_entry_count
    from {{ ref('rec_top_n') }}
    group by product_id

),

-- Few sales alone do not make a product stale, so its idle days are compared with the slow interval of its category.
flagged as (

    select
        products.*,
        deliveries.last_delivery_date,
        deliveries.missed_catalog_count,
        coalesce(list_entry_counts.list_entry_count, 0) as list_entry_count,
        coalesce(
            products.idle_days >= {{ var('min_stale_days') }}
            and products.idle_days >= {{ var('stale_interval_multiple') }} * coalesce(products.slow_interval_days, 0),
            false
        ) as is_idle,
        coalesce(deliveries.missed_catalog_count >= {{ var('stale_interval_multiple') }}, false)
            as is_missing_from_catalogs
    from {{ ref('int_product_idle_days') }} as products
    left join {{ ref('int_product_deliveries') }} as deliveries on products.product_id = deliveries.product_id
    left join list_entry_counts on products.product_id = list_entry_counts.product_id

)

select
    product_id,
    product_name,
    category,
    last_action_at,
    cast(idle_days as integer) as idle_days,
    cast(slow_interval_days as {{ type_double() }}) as slow_interval_days,
    last_delivery_date,
    cast(missed_catalog_count as integer) as missed_catalog_count,
    list_entry_count,
    is_idle or is_missing_from_catalogs as is_stale,
    nullif(concat_ws(
        '; ',
        case
            when is_idle and slow_interval_days is null then concat('no action for ', idle_days, ' days')
            when is_idle then concat(
                    'no action for ', idle_days, ' days, slow interval of its category: ',
                    cast(slow_interval_days as decimal(9, 1))
                )
        end,
        case
            when is_missing_from_catalogs
                then concat('missing from the last ', missed_catalog_count, ' whole catalogs')
        end
    ), '') as stale_reason
from flagged
