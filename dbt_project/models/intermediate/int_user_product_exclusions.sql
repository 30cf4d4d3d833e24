{{ config(materialized='view') }}

with now_cutoff as (

    select as_of from {{ ref('int_feature_cutoffs') }}
    where cutoff = 'now'

),

-- Products that the user bought and kept; returned products may be recommended again.
purchased_products as (

    select user_id, product_id from {{ ref('feat_user_product_interactions') }}
    where cutoff = 'now' and purchased_quantity > 0

),

repurchasable_products as (

    select product_id, repurchase_after_days from {{ ref('rec_product_rules') }}
    where repurchase_after_days is not null

),

-- End of the exclusion of products that may be recommended again some days after the newest purchase.
repurchases as (

    select
        purchases.user_id,
        purchases.product_id,
        {{ dbt.dateadd('day', 'min(repurchasable_products.repurchase_after_days)', 'max(purchases.purchased_at)') }}
            as exclusion_ends_at
    from {{ ref('fct_transactions') }} as purchases
    inner join repurchasable_products on purchases.product_id = repurchasable_products.product_id
    where not purchases.is_return
    group by purchases.user_id, purchases.product_id

)

select
    purchased_products.user_id,
    purchased_products.product_id,
    repurchases.exclusion_ends_at
from purchased_products
cross join now_cutoff
left join repurchases
    on purchased_products.user_id = repurchases.user_id
    and purchased_products.product_id = repurchases.product_id
where repurchases.exclusion_ends_at is null or repurchases.exclusion_ends_at > now_cutoff.as_of
