with
{{ apply_caps(ref('int_recommendation_candidates')) }},

-- apply_caps ends in within_caps.
{{ apply_promotions('within_caps') }}

select
    user_id,
    promoted_rank as capped_rank,
    list_order,
    candidate_rank,
    product_id,
    category,
    brand,
    category_cap,
    brand_cap,
    pinned_position,
    promoted_every,
    score,
    reason_product_id
from promoted_lists
where promoted_rank <= {{ var('top_n') }}
