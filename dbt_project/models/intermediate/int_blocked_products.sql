{{ config(materialized='view') }}

with now_cutoff as (

    select last_date from {{ ref('int_feature_cutoffs') }}
    where cutoff = 'now'

),

products as (

    select product_id, category, brand from {{ ref('dim_products') }}

),

-- The attributes that a block can name.
product_attributes as (

    select product_id, 'product' as scope, product_id as value from products
    union all
    select product_id, 'category' as scope, category as value from products
    union all
    select product_id, 'brand' as scope, brand as value from products

),

active_blocks as (

    select
        seed.scope,
        {{ normalized_rule_value('seed.scope', 'seed.value') }} as value,
        {{ clean_text('seed.reason') }} as reason
    from {{ ref('blocks') }} as seed
    left join now_cutoff on true
    where {{ is_active_on('seed', 'now_cutoff.last_date') }}

)

select
    product_attributes.product_id,
    min('blocked ' || active_blocks.scope || coalesce(': ' || active_blocks.reason, '')) as exclusion_reason
from product_attributes
inner join active_blocks
    on product_attributes.scope = active_blocks.scope
    and product_attributes.value = active_blocks.value
group by product_attributes.product_id
