{{ config(materialized='view') }}

with products as (

    select product_id, category, brand from {{ ref('dim_products') }}

),

caps as (

    select
        scope,
        lower({{ clean_text('value') }}) as value,
        cast(max_products as {{ dbt.type_int() }}) as max_products
    from {{ ref('caps') }}

)

-- A cap of one category or brand replaces the default, even if it has no max_products.
select
    products.product_id,
    case
        when category_caps.scope is not null then category_caps.max_products
        else default_category_cap.max_products
    end as category_cap,
    case
        when brand_caps.scope is not null then brand_caps.max_products
        else default_brand_cap.max_products
    end as brand_cap
from products
left join caps as category_caps
    on products.category = category_caps.value
    and category_caps.scope = 'category'
left join caps as default_category_cap
    on products.category is not null
    and default_category_cap.value is null
    and default_category_cap.scope = 'category'
left join caps as brand_caps
    on products.brand = brand_caps.value
    and brand_caps.scope = 'brand'
left join caps as default_brand_cap
    on products.brand is not null
    and default_brand_cap.value is null
    and default_brand_cap.scope = 'brand'
