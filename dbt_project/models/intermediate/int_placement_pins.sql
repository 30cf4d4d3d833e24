{{ config(materialized='view') }}

-- Lists of customers and products that rules pin products into.
with pinned_products as (

    select distinct
        candidates.placement,
        candidates.rule_profile,
        candidates.user_id,
        candidates.list_product_id,
        rules.product_id
    from {{ ref('int_placement_candidates') }} as candidates
    inner join {{ ref('placements') }} as placements on candidates.placement = placements.placement
    inner join {{ ref('int_product_rules') }} as rules on candidates.rule_profile = rules.rule_profile
    where placements.list_kind in ('home', 'related') and rules.pinned_position is not null

)

-- A pinned candidate has its row already.
select
    pinned_products.placement,
    pinned_products.rule_profile,
    pinned_products.user_id,
    pinned_products.list_product_id,
    null as list_category,
    pinned_products.product_id,
    0 as list_order,
    0 as score,
    'pinned' as source,
    'pinned' as reason_key,
    null as reason_product_id
from pinned_products
left join {{ ref('int_placement_candidates') }} as candidates
    on pinned_products.placement = candidates.placement
    and pinned_products.rule_profile = candidates.rule_profile
    and pinned_products.product_id = candidates.product_id
    and coalesce(pinned_products.user_id, '') = coalesce(candidates.user_id, '')
    and coalesce(pinned_products.list_product_id, '') = coalesce(candidates.list_product_id, '')
where candidates.product_id is null
