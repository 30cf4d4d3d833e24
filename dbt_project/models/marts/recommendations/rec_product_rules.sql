with caps as (

    select
        scope,
        lower({{ clean_text('value') }}) as value,
        cast(max_products as {{ dbt.type_int() }}) as max_products
    from {{ ref('caps') }}

),

repurchases as (

    select
        lower({{ clean_text('category') }}) as category,
        cast(after_days as {{ dbt.type_int() }}) as after_days,
        true as is_rule
    from {{ ref('repurchases') }}

)

-- A rule of one category or brand replaces the default, even if it has no number.
select
    products.product_id,
    products.is_available and blocked.product_id is null as is_recommendable,
    case when not products.is_available then 'not available' else blocked.exclusion_reason end as exclusion_reason,
    products.category,
    products.brand,
    case
        when products.category is null then null
        when category_caps.value is not null then category_caps.max_products
        else default_category_cap.max_products
    end as category_cap,
    case
        when products.brand is null then null
        when brand_caps.value is not null then brand_caps.max_products
        else default_brand_cap.max_products
    end as brand_cap,
    case
        when category_repurchases.category is not null then category_repurchases.after_days
        else default_repurchase.after_days
    end as repurchase_after_days,
    coalesce(category_repurchases.is_rule, default_repurchase.is_rule, false) as has_repurchase_rule,
    pins.position as pinned_position
from {{ ref('dim_products') }} as products
left join {{ ref('int_blocked_products') }} as blocked on products.product_id = blocked.product_id
left join caps as category_caps on category_caps.scope = 'category' and products.category = category_caps.value
left join caps as default_category_cap on default_category_cap.scope = 'category' and default_category_cap.value is null
left join caps as brand_caps on brand_caps.scope = 'brand' and products.brand = brand_caps.value
left join caps as default_brand_cap on default_brand_cap.scope = 'brand' and default_brand_cap.value is null
left join repurchases as category_repurchases on products.category = category_repurchases.category
left join repurchases as default_repurchase on default_repurchase.category is null
left join {{ ref('int_active_pins') }} as pins
    on products.product_id = pins.product_id
    and pins.favourite_category is null
