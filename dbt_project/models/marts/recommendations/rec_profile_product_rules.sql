{{ config(materialized='view') }}

select
    rules.rule_profile,
    rules.product_id,
    rules.is_recommendable,
    rules.exclusion_reason,
    rules.category,
    rules.brand,
    rules.category_cap,
    rules.brand_cap,
    rules.repurchase_after_days,
    rules.has_repurchase_rule,
    rules.pinned_position,
    rules.boosted_places,
    rules.promoted_every
from {{ ref('int_product_rules') }} as rules
where rules.rule_profile not in (
    select rule_profile from {{ ref('rec_rule_profiles') }}
    where placement = 'home' and rule_set = '' and segment = ''
)
