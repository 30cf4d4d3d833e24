{{ config(materialized='view') }}

-- Products that the customer viewed, clicked or put into the cart, and may be recommended; the newest action comes first.
select
    users.placement,
    users.rule_profile,
    interactions.user_id,
    interactions.product_id,
    row_number() over (
        partition by users.placement, interactions.user_id
        order by interactions.last_interaction_at desc, interactions.product_id
    ) as list_order,
    interactions.strength as score,
    'views' as source,
    'recently_viewed' as reason_key
from {{ ref('int_user_placements') }} as users
inner join {{ ref('feat_user_product_interactions') }} as interactions
    on users.user_id = interactions.user_id
    and interactions.cutoff = 'now'
left join {{ ref('int_user_product_exclusions') }} as exclusions
    on interactions.user_id = exclusions.user_id
    and interactions.product_id = exclusions.product_id
where
    users.list_kind = 'viewed'
    and interactions.view_count + interactions.click_count + interactions.add_to_cart_count > 0
    and exclusions.product_id is null
