select
    product_id,
    is_recommendable,
    exclusion_reason,
    category,
    brand,
    category_cap,
    brand_cap,
    repurchase_after_days,
    has_repurchase_rule,
    pinned_position,
    boosted_places,
    promoted_every
from {{ ref('int_product_rules') }}
where rule_profile in (
    select rule_profile from {{ ref('rec_rule_profiles') }}
    where placement = 'home' and rule_set = '' and segment = ''
)
