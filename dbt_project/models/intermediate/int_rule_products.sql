{{ config(materialized='view') }}

with rules as (

    select * from {{ ref('rec_active_rules') }}

),

products as (

    select product_id, category, brand, price, first_seen_at from {{ ref('dim_products') }}

),

-- The attributes that a rule can name.
product_attributes as (

    select product_id, 'product' as scope, product_id as value from products
    union all
    select product_id, 'category' as scope, category as value from products
    union all
    select product_id, 'brand' as scope, brand as value from products

)

select
    rules.rule_id,
    product_attributes.product_id
from rules
inner join product_attributes
    on rules.scope = product_attributes.scope
    and rules.value = product_attributes.value

union all

-- New products are those of the last days before the newest action, because the shop's files can be older than today.
select
    rules.rule_id,
    products.product_id
from rules
inner join {{ ref('int_feature_cutoffs') }} as cutoffs on cutoffs.cutoff = 'now'
inner join products
    on (
        rules.scope = 'price'
        and coalesce(rules.min_price, 0) <= products.price
        and (rules.max_price is null or rules.max_price > products.price)
    )
    or (
        rules.scope = 'new'
        and {{ dbt.dateadd('day', '-rules.max_age_days', 'cutoffs.as_of') }} <= products.first_seen_at
    )
