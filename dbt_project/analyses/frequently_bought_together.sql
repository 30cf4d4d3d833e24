-- Pairs of products with three joint orders or more, highest lift first. A lift of 1 is chance; order_share is the
-- share of the first product's orders that also contain the second one.
with products as (

    select product_id, product_name from {{ ref('dim_products') }}

)

select
    pairs.product_id,
    first_products.product_name,
    pairs.other_product_id,
    other_products.product_name as other_product_name,
    pairs.joint_order_count,
    pairs.confidence as order_share,
    pairs.lift,
    pairs.last_joint_order_at
from {{ ref('feat_product_pairs') }} as pairs
inner join products as first_products on pairs.product_id = first_products.product_id
inner join products as other_products on pairs.other_product_id = other_products.product_id
where pairs.cutoff = 'now' and pairs.joint_order_count >= 3
order by pairs.lift desc, pairs.joint_order_count desc, pairs.product_id, pairs.other_product_id
