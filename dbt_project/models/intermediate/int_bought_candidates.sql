{{ config(materialized='view') }}

-- Products that the customer bought and may be recommended again; the next expected purchase comes first.
select
    users.placement,
    users.rule_profile,
    purchases.user_id,
    purchases.product_id,
    row_number() over (
        partition by users.placement, purchases.user_id
        order by purchases.repeat_score desc, purchases.last_purchase_date desc, purchases.product_id
    ) as list_order,
    purchases.repeat_score as score,
    'purchases' as source,
    case when purchases.purchase_days > 1 then 'bought_again' else 'bought_once' end as reason_key
from {{ ref('int_user_placements') }} as users
inner join {{ ref('feat_user_product_repeats') }} as purchases
    on users.user_id = purchases.user_id
    and purchases.cutoff = 'now'
left join {{ ref('int_user_product_exclusions') }} as exclusions
    on purchases.user_id = exclusions.user_id
    and purchases.product_id = exclusions.product_id
where users.list_kind = 'bought' and exclusions.product_id is null
