{{ config(materialized='view') }}
{% set whole_feeds = feed_names(declared_feeds('products'), 'whole') %}

-- A quarantined row is a broken row of a product that the catalog has; an excluded row does not count.
with delivered_products as (

    select
        _feed,
        product_id,
        delivery_day,
        max(case when row_status = 'clean' then 1 else 0 end) as has_clean_row,
        min(case when not is_available then 0 else 1 end) as has_only_available_rows
    from {{ ref('int_products_classified') }}
    where
        row_status != 'excluded'
        and product_id is not null
        and delivery_day is not null
        and _feed in ({{ quoted_list(whole_feeds) or 'null' }})
    group by _feed, product_id, delivery_day

),

-- A delivery of which lines or files were rejected does not show that a product is absent.
damaged_deliveries as (

    select
        products._feed,
        products.delivery_day
    from {{ ref('int_products_classified') }} as products
    inner join {{ ref('stg_raw__loaded_files') }} as files on products._load_id = files.load_id
    where files.rows_rejected > 0

    union

    select
        feed as _feed,
        {{ delivery_day('path', 'cast(null as date)', 'rejected_at') }} as delivery_day
    from {{ ref('stg_raw__rejected_files') }}

),

-- The files of one day are one delivery.
deliveries as (

    select
        _feed,
        delivery_day,
        row_number() over (partition by _feed order by delivery_day) as delivery_number
    from (select distinct _feed, delivery_day from delivered_products) as days

),

-- A product without a clean row up to the delivery is unknown and needs no update.
numbered_deliveries as (

    select
        delivered_products.*,
        deliveries.delivery_number,
        lag(deliveries.delivery_number) over deliveries_of_product as previous_number,
        lead(deliveries.delivery_number) over deliveries_of_product as next_number,
        max(delivered_products.has_clean_row) over deliveries_of_product as is_known
    from delivered_products
    inner join deliveries
        on delivered_products._feed = deliveries._feed
        and delivered_products.delivery_day = deliveries.delivery_day
    window deliveries_of_product as (
        partition by delivered_products._feed, delivered_products.product_id
        order by deliveries.delivery_number
    )

)

select
    present._feed,
    present.product_id,
    cast(min(missed.delivery_day) as {{ dbt.type_timestamp() }}) as effective_at,
    false as is_available
from numbered_deliveries as present
inner join deliveries as missed
    on present._feed = missed._feed
    and present.delivery_number < missed.delivery_number
    and (present.next_number is null or present.next_number > missed.delivery_number)
left join damaged_deliveries
    on missed._feed = damaged_deliveries._feed
    and missed.delivery_day = damaged_deliveries.delivery_day
where present.is_known = 1 and damaged_deliveries._feed is null
group by present._feed, present.product_id, present.delivery_number

union all

-- The row of a product that returns can lack a value, and can be a duplicate of its row before the absence.
select
    _feed,
    product_id,
    cast(delivery_day as {{ dbt.type_timestamp() }}) as effective_at,
    has_only_available_rows = 1 as is_available
from numbered_deliveries
where is_known = 1 and previous_number < delivery_number - 1
