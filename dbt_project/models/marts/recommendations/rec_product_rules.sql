with now_cutoff as (

    select last_date from {{ ref('int_feature_cutoffs') }}
    where cutoff = 'now'

),

products as (

    select product_id, category, brand, is_available from {{ ref('dim_products') }}

),

-- The attributes that a rule can name.
product_attributes as (

    select product_id, 'product' as scope, product_id as value from products
    union all
    select product_id, 'category' as scope, category as value from products
    where category is not null
    union all
    select product_id, 'brand' as scope, brand as value from products
    where brand is not null

),

active_blocks as (

    select
        seed.scope,
        {{ normalized_rule_value('seed.scope', 'seed.value') }} as value,
        {{ clean_text('seed.reason') }} as reason
    from {{ ref('blocks') }} as seed
    left join now_cutoff on true
    where {{ is_active_on('seed', 'now_cutoff.last_date') }}

),

blocked as (

    select
        product_attributes.product_id,
        min('blocked ' || active_blocks.scope || coalesce(': ' || active_blocks.reason, '')) as reason_text
    from product_attributes
    inner join active_blocks
        on product_attributes.scope = active_blocks.scope
        and product_attributes.value = active_blocks.value
    group by product_attributes.product_id

),

caps as (

    select
        scope,
        lower({{ clean_text('value') }}) as value,
        cast(max_products as {{ dbt.type_int() }}) as max_products
    from {{ ref('caps') }}

),

applicable_caps as (

    select
        product_attributes.product_id,
        product_attributes.scope,
        case when specific.scope is not null then specific.max_products else default_rule.max_products end
            as max_products
    from product_attributes
    left join caps as specific on product_attributes.scope = specific.scope and product_attributes.value = specific.value
    left join caps as default_rule on product_attributes.scope = default_rule.scope and default_rule.value is null

),

product_caps as (

    select
        product_id,
        min(case when scope = 'category' then max_products end) as category_cap,
        min(case when scope = 'brand' then max_products end) as brand_cap
    from applicable_caps
    group by product_id

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

),

final as (

    select
        products.product_id,
        products.is_available and blocked.product_id is null as is_recommendable,
        case when not products.is_available then 'not available' else blocked.reason_text end as exclusion_reason,
        products.category,
        products.brand,
        product_caps.category_cap,
        product_caps.brand_cap,
        case when specific.has_rule then specific.after_days else default_rule.after_days end as repurchase_after_days,
        pins.position as pinned_position
    from products
    inner join product_caps on products.product_id = product_caps.product_id
    left join blocked on products.product_id = blocked.product_id
    left join repurchase_rules as specific on products.category = specific.category
    left join repurchase_rules as default_rule on default_rule.category is null and default_rule.has_rule
    left join pins on products.product_id = pins.product_id

)

select * from final
