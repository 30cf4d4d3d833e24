with caps as (

    select
        applied_rule_set as rule_set,
        scope,
        lower({{ clean_text('value') }}) as value,
        cast(max_products as {{ dbt.type_int() }}) as max_products
    from ({{ rules_by_rule_set(ref('caps'), 'rules.scope, lower(' ~ clean_text('rules.value') ~ ')') }}) as caps

),

repurchases as (

    select
        applied_rule_set as rule_set,
        lower({{ clean_text('category') }}) as category,
        cast(after_days as {{ dbt.type_int() }}) as after_days,
        true as is_rule
    from ({{ rules_by_rule_set(ref('repurchases'), 'lower(' ~ clean_text('rules.category') ~ ')') }}) as repurchases

)

-- A rule of one category or brand replaces the default, even if it has no number.
select
    rule_sets.rule_set,
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
cross join {{ ref('int_rule_sets') }} as rule_sets
left join {{ ref('int_blocked_products') }} as blocked
    on products.product_id = blocked.product_id
    and rule_sets.rule_set = blocked.rule_set
left join caps as category_caps
    on category_caps.scope = 'category'
    and products.category = category_caps.value
    and rule_sets.rule_set = category_caps.rule_set
left join caps as default_category_cap
    on default_category_cap.scope = 'category'
    and default_category_cap.value is null
    and rule_sets.rule_set = default_category_cap.rule_set
left join caps as brand_caps
    on brand_caps.scope = 'brand'
    and products.brand = brand_caps.value
    and rule_sets.rule_set = brand_caps.rule_set
left join caps as default_brand_cap
    on default_brand_cap.scope = 'brand'
    and default_brand_cap.value is null
    and rule_sets.rule_set = default_brand_cap.rule_set
left join repurchases as category_repurchases
    on products.category = category_repurchases.category
    and rule_sets.rule_set = category_repurchases.rule_set
left join repurchases as default_repurchase
    on default_repurchase.category is null
    and rule_sets.rule_set = default_repurchase.rule_set
left join {{ ref('int_active_pins') }} as pins
    on products.product_id = pins.product_id
    and pins.favourite_category is null
    and rule_sets.rule_set = pins.rule_set
