with catalog as (

    select
        product_id,
        product_name,
        category,
        brand,
        price,
        popularity_score,
        is_available,
        effective_at,
        true as is_from_catalog,
        _feed,
        {{ natural_sort_key('_file') }} as file_order,
        _file,
        _line
    from {{ ref('int_products_classified') }}
    where row_status = 'clean'

),

event_products as (

    select
        product_id,
        product_name,
        category,
        brand,
        case when price > 0 then price end as price,
        event_at as effective_at,
        _feed,
        _file,
        _line
    from {{ ref('stg_shop__events') }}
    where has_product_attributes

),

-- Only sales carry name and price: lines of returns, stock corrections and gifts have remarks in the place of the name.
purchase_products as (

    select
        product_id,
        case when coalesce(quantity, 1) > 0 and price > 0 then product_name end as product_name,
        category,
        brand,
        case when coalesce(quantity, 1) > 0 and price > 0 then price end as price,
        purchased_at as effective_at,
        _feed,
        _file,
        _line
    from {{ ref('stg_shop__purchases') }}
    where has_product_attributes

),

-- Rows of feeds without product attributes.
mentioned_products as (

    select product_id, event_at as effective_at from {{ ref('stg_shop__events') }}
    where not has_product_attributes
    union all
    select product_id, purchased_at as effective_at from {{ ref('stg_shop__purchases') }}
    where not has_product_attributes

),

-- Without a catalog, an unknown product cannot be detected. Therefore every product that a row names is known, also when
-- another feed carries attributes. The first row that names a product suffices, because all of them lack attributes.
products_without_catalog as (

    select
        product_id,
        cast(null as {{ dbt.type_string() }}) as product_name,
        cast(null as {{ dbt.type_string() }}) as category,
        cast(null as {{ dbt.type_string() }}) as brand,
        cast(null as {{ type_double() }}) as price,
        min(effective_at) as effective_at,
        cast(null as {{ dbt.type_string() }}) as _feed,
        cast(null as {{ dbt.type_string() }}) as _file,
        cast(null as {{ dbt.type_bigint() }}) as _line
    from mentioned_products
    where not exists (select 1 from catalog)
    group by product_id

),

non_catalog_products as (

    select * from event_products
    union all
    select * from purchase_products
    union all
    select * from products_without_catalog

),

unioned as (

    select * from catalog

    union all

    select
        product_id,
        product_name,
        category,
        brand,
        price,
        cast(null as {{ type_double() }}) as popularity_score,
        cast(null as boolean) as is_available,
        effective_at,
        false as is_from_catalog,
        _feed,
        _file as file_order,
        _file,
        _line
    from non_catalog_products
    where product_id is not null and effective_at is not null

),

-- Catalog rows take precedence over events and purchases, then newer rows over older ones.
rows_with_fingerprint as (

    select
        *,
        row_number() over (
            partition by product_id
            order by is_from_catalog, effective_at nulls first, _feed, file_order, _file, _line
        ) as version_number,
        {{ fingerprint([
            'product_name', 'category', 'brand', 'price', 'popularity_score', 'is_available', 'is_from_catalog',
        ]) }} as attributes_fingerprint
    from unioned

),

rows_with_previous as (

    select
        *,
        lag(attributes_fingerprint) over (partition by product_id order by version_number)
            as previous_attributes_fingerprint
    from rows_with_fingerprint

),

final as (

    select
        product_id,
        version_number,
        product_name,
        category,
        brand,
        price,
        popularity_score,
        is_available,
        effective_at,
        is_from_catalog
    from rows_with_previous
    where previous_attributes_fingerprint is null or attributes_fingerprint != previous_attributes_fingerprint

)

select * from final
