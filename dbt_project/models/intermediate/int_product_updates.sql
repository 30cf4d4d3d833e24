{{ config(materialized='view') }}
{% set nulls = 'null as margin, null as product_url, null as image_url' %}

with catalog as (

    select * from {{ ref('int_products_classified') }}
    where row_status = 'clean'

),

-- Rows of feeds without product attributes. All of them are equal, so the first one of a product suffices.
bare_mentions as (

    select product_id, event_at as effective_at from {{ ref('stg_shop__events') }}
    where not has_product_attributes and not is_excluded
    union all
    select product_id, purchased_at as effective_at from {{ ref('stg_shop__purchases') }}
    where not has_product_attributes and not is_excluded

),

purchases as (

    select
        *,
        coalesce(quantity, 1) > 0 and price > 0 and not is_declared_return as is_sale
    from {{ ref('stg_shop__purchases') }}
    where has_product_attributes and not is_excluded

),

unioned as (

    select
        product_id,
        product_name,
        category,
        brand,
        price,
        popularity_score,
        is_available,
        {{ price_currency('price', 'currency', declared_feeds('products')) }} as currency,
        margin,
        product_url,
        image_url,
        effective_at,
        true as is_from_catalog,
        _feed,
        _file,
        _line
    from catalog

    union all

    select
        product_id,
        null as product_name, null as category, null as brand, null as price, null as popularity_score,
        is_available,
        null as currency, {{ nulls }},
        effective_at,
        true as is_from_catalog,
        _feed,
        null as _file, null as _line
    from {{ ref('int_product_absences') }}

    union all

    select
        product_id,
        product_name,
        category,
        brand,
        case when price > 0 then price end as price,
        null as popularity_score,
        null as is_available,
        {{ price_currency('case when price > 0 then price end', 'currency', declared_feeds('events')) }} as currency,
        {{ nulls }},
        event_at as effective_at,
        false as is_from_catalog,
        _feed,
        _file,
        _line
    from {{ ref('stg_shop__events') }}
    where has_product_attributes and not is_excluded

    union all

    -- Only sales carry name and price: lines of returns, stock corrections and gifts have remarks in the place of the
    -- name.
    select
        product_id,
        case when is_sale then product_name end as product_name,
        category,
        brand,
        case when is_sale then price end as price,
        null as popularity_score,
        null as is_available,
        {{ price_currency('case when is_sale then price end', 'currency', declared_feeds('purchases')) }} as currency,
        {{ nulls }},
        purchased_at as effective_at,
        false as is_from_catalog,
        _feed,
        _file,
        _line
    from purchases

    union all

    -- Without a catalog, an unknown product cannot be detected. Therefore every product that a row names is known, also
    -- when another feed carries attributes.
    select
        product_id,
        null as product_name, null as category, null as brand, null as price, null as popularity_score,
        null as is_available,
        null as currency, {{ nulls }},
        min(effective_at) as effective_at,
        false as is_from_catalog,
        null as _feed,
        null as _file,
        null as _line
    from bare_mentions
    where not exists (select 1 from catalog)
    group by product_id

)

select * from unioned
where is_from_catalog or (product_id is not null and effective_at is not null)
