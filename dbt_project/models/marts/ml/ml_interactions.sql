{{ config(materialized='view') }}

select
    interactions.cutoff,
    interactions.as_of,
    interactions.user_id,
    interactions.product_id,
    interactions.strength,
    interactions.interaction_count,
    interactions.purchased_quantity > 0 as has_purchased,
    coalesce(repeats.purchase_days, 0) as purchase_days,
    case when repeats.is_repeat_shop then repeats.repeat_score end as repeat_score,
    coalesce(repeats.is_repeat_shop and repeats.is_due, false) as is_due,
    interactions.first_interaction_at,
    interactions.last_interaction_at
from {{ ref('feat_user_product_interactions') }} as interactions
left join {{ ref('feat_user_product_repeats') }} as repeats
    on interactions.cutoff = repeats.cutoff
    and interactions.user_id = repeats.user_id
    and interactions.product_id = repeats.product_id
where interactions.strength > 0
