-- A row that names no product and is delivered again repeats a quarantined one, so that it is not quarantined itself. A file
-- without a date cannot be put in an order.
with catalog_days as (

    select distinct
        _feed,
        product_id,
        delivery_day
    from {{ ref('int_products_classified') }}
    where row_status != 'quarantined' and product_id is not null and delivery_day is not null

),

deliveries as (

    select
        _feed,
        delivery_day,
        row_number() over (partition by _feed order by delivery_day) as delivery,
        row_number() over (partition by _feed order by delivery_day desc) - 1 as deliveries_since
    from (select distinct _feed, delivery_day from catalog_days) as days

),

named as (

    select
        catalog_days._feed,
        catalog_days.product_id,
        catalog_days.delivery_day,
        deliveries.deliveries_since,
        coalesce(
            lead(deliveries.delivery) over (
                partition by catalog_days._feed, catalog_days.product_id
                order by deliveries.delivery
            ) = deliveries.delivery + 1,
            false
        ) as is_named_again
    from catalog_days
    inner join deliveries
        on catalog_days._feed = deliveries._feed
        and catalog_days.delivery_day = deliveries.delivery_day

),

-- Where most of a delivery stands in the next one as well, the catalog is sent whole. One that sends what is new or changed
-- leaves products out for no reason.
whole_catalogs as (

    select _feed
    from named
    where deliveries_since > 0
    group by _feed
    having avg(case when is_named_again then 1.0 else 0.0 end) >= {{ var('whole_catalog_share') }}

),

final as (

    select
        named.product_id,
        max(named.delivery_day) as last_delivered_on,
        min(case when whole_catalogs._feed is not null then named.deliveries_since end) as catalogs_missed
    from named
    left join whole_catalogs on named._feed = whole_catalogs._feed
    group by named.product_id

)

select * from final
