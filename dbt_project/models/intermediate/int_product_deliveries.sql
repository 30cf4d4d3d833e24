-- Products by the days of the catalogs that contain them. A repeated row without a product id is a duplicate and not
-- quarantined, so the missing id is checked too. Files without a date have no order.
with delivered_products as (

    select distinct
        _feed,
        product_id,
        delivery_day
    from {{ ref('int_products_classified') }}
    where row_status not in ('quarantined', 'excluded') and product_id is not null and delivery_day is not null

),

deliveries as (

    select
        _feed,
        delivery_day,
        row_number() over (partition by _feed order by delivery_day) as delivery_number,
        row_number() over (partition by _feed order by delivery_day desc) - 1 as later_delivery_count
    from (select distinct _feed, delivery_day from delivered_products) as days

),

product_deliveries as (

    select
        delivered_products._feed,
        delivered_products.product_id,
        delivered_products.delivery_day,
        deliveries.later_delivery_count,
        coalesce(
            lead(deliveries.delivery_number) over (
                partition by delivered_products._feed, delivered_products.product_id
                order by deliveries.delivery_number
            ) = deliveries.delivery_number + 1,
            false
        ) as is_in_next_delivery
    from delivered_products
    inner join deliveries
        on delivered_products._feed = deliveries._feed
        and delivered_products.delivery_day = deliveries.delivery_day

),

-- A feed sends whole catalogs if most products of a delivery are also in the next one. In a feed that sends new and changed
-- products only, an absent product is not missing.
whole_catalog_feeds as (

    select _feed
    from product_deliveries
    where later_delivery_count > 0
    group by _feed
    having avg(case when is_in_next_delivery then 1.0 else 0.0 end) >= {{ var('min_whole_catalog_share') }}

)

select
    product_deliveries.product_id,
    max(product_deliveries.delivery_day) as last_delivery_date,
    min(case when whole_catalog_feeds._feed is not null then product_deliveries.later_delivery_count end)
        as missed_catalog_count
from product_deliveries
left join whole_catalog_feeds on product_deliveries._feed = whole_catalog_feeds._feed
group by product_deliveries.product_id
