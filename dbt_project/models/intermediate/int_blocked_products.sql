{{ config(materialized='view') }}

with products as (

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
        rule_sets.rule_set,
        blocks.scope,
        {{ normalized_rule_value('blocks.scope', 'blocks.value') }} as value,
        {{ clean_text('blocks.reason') }} as reason
    from {{ ref('blocks') }} as blocks
    inner join {{ ref('int_rule_sets') }} as rule_sets
        on coalesce({{ normalized_rule_set('blocks.rule_set') }}, '') in ('', rule_sets.rule_set)
    left join {{ ref('int_feature_cutoffs') }} as cutoffs on cutoffs.cutoff = 'now'
    where {{ is_active_on('blocks', 'cutoffs.last_date') }}

)

select
    active_blocks.rule_set,
    product_attributes.product_id,
    min('blocked ' || active_blocks.scope || coalesce(': ' || active_blocks.reason, '')) as exclusion_reason
from product_attributes
inner join active_blocks
    on product_attributes.scope = active_blocks.scope
    and product_attributes.value = active_blocks.value
group by active_blocks.rule_set, product_attributes.product_id
