{{ config(materialized='view') }}

with customers as (

    select user_id, rule_profile from {{ ref('int_user_lists') }}
    where user_id != {{ anonymous_user_id() }}

),

-- End of the exclusion of products that a merchandising rule allows again some days after the newest purchase.
repurchases as (

    select
        purchases.user_id,
        purchases.product_id,
        {{ dbt.dateadd('day', 'min(rules.repurchase_after_days)', 'max(purchases.purchased_at)') }} as exclusion_ends_at
    from {{ ref('fct_transactions') }} as purchases
    inner join {{ ref('int_product_rules') }} as rules on purchases.product_id = rules.product_id
    inner join customers on purchases.user_id = customers.user_id and rules.rule_profile = customers.rule_profile
    where not purchases.is_return and rules.repurchase_after_days is not null
    group by purchases.user_id, purchases.product_id

),

-- Purchases in a shop with repeat purchases, of products without such a rule.
repeats as (

    select
        repeats.user_id,
        repeats.product_id,
        repeats.due_at,
        repeats.is_due
    from {{ ref('feat_user_product_repeats') }} as repeats
    inner join customers on repeats.user_id = customers.user_id
    inner join {{ ref('int_product_rules') }} as rules
        on repeats.product_id = rules.product_id
        and customers.rule_profile = rules.rule_profile
    where repeats.cutoff = 'now' and repeats.is_repeat_shop and not rules.has_repurchase_rule

),

-- Products that the user bought and kept; returned products may be recommended again.
purchased_products as (

    select
        interactions.user_id,
        interactions.product_id,
        coalesce(repurchases.exclusion_ends_at, repeats.due_at) as exclusion_ends_at,
        coalesce(repurchases.exclusion_ends_at <= interactions.as_of, repeats.is_due, false) as is_recommended_again
    from {{ ref('feat_user_product_interactions') }} as interactions
    left join repurchases
        on interactions.user_id = repurchases.user_id
        and interactions.product_id = repurchases.product_id
    left join repeats
        on interactions.user_id = repeats.user_id
        and interactions.product_id = repeats.product_id
    where interactions.cutoff = 'now' and interactions.purchased_quantity > 0

)

select
    user_id,
    product_id,
    exclusion_ends_at
from purchased_products
where not is_recommended_again
