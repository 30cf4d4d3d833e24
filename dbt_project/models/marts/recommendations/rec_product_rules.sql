with products as (

    select product_id, category, brand, is_available from {{ ref('dim_products') }}

),

repurchase_rules as (

    select
        lower({{ clean_text('category') }}) as category,
        cast(after_days as {{ dbt.type_int() }}) as after_days,
        true as has_rule
    from {{ ref('repurchases') }}

),

pins as (

    select product_id, position from {{ ref('int_active_pins') }}
    where favourite_category is null

)

select
    products.product_id,
    products.is_available and blocked.product_id is null as is_recommendable,
    case when not products.is_available then 'not available' else blocked.exclusion_reason end as exclusion_reason,
    products.category,
    products.brand,
    caps.category_cap,
    caps.brand_cap,
    case when specific.has_rule then specific.after_days else default_rule.after_days end as repurchase_after_days,
    pins.position as pinned_position
from products
inner join {{ ref('int_product_caps') }} as caps on products.product_id = caps.product_id
left join {{ ref('int_blocked_products') }} as blocked on products.product_id = blocked.product_id
left join repurchase_rules as specific on products.category = specific.category
left join repurchase_rules as default_rule on default_rule.category is null and default_rule.has_rule
left join pins on products.product_id = pins.product_id
