{{ config(materialized='view') }}

select
    rule_set,
    product_id,
    is_recommendable,
    exclusion_reason,
    category,
    brand,
    category_cap,
    brand_cap,
    repurchase_after_days,
    has_repurchase_rule,
    pinned_position
from {{ ref('int_product_rules') }}
where rule_set != ''
