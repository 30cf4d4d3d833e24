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
    rules.boost_factor,
    rules.promoted_every
from {{ ref('int_product_rules') }} as rules
left join {{ ref('rec_rule_profiles') }} as profiles
    on rules.rule_profile = profiles.rule_profile
    and profiles.placement = 'home'
    and profiles.rule_set = ''
    and profiles.segment = ''
where profiles.placement is null
