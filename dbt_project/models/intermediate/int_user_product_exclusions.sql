{{ config(materialized='view') }}

-- End of the exclusion of products that may be recommended again some days after the newest purchase.
with repurchases as (

    select
        purchases.user_id,
        purchases.product_id,
        {{ dbt.dateadd('day', 'min(rules.repurchase_after_days)', 'max(purchases.purchased_at)') }} as exclusion_ends_at
    from {{ ref('fct_transactions') }} as purchases
    inner join {{ ref('rec_product_rules') }} as rules on purchases.product_id = rules.product_id
    where not purchases.is_return and rules.repurchase_after_days is not null
    group by purchases.user_id, purchases.product_id

)

-- Products that the user bought and kept; returned products may be recommended again.
select
    interactions.user_id,
    interactions.product_id,
    repurchases.exclusion_ends_at
from {{ ref('feat_user_product_interactions') }} as interactions
left join repurchases
    on interactions.user_id = repurchases.user_id
    and interactions.product_id = repurchases.product_id
where
    interactions.cutoff = 'now'
    and interactions.purchased_quantity > 0
    and (repurchases.exclusion_ends_at is null or repurchases.exclusion_ends_at > interactions.as_of)
