-- What sells together now: pairs of products that three orders or more had in common, the least like chance first. Lift 1
-- is chance; the share is of the orders with the first product that hold the second, too.
with pairs as (

    select * from {{ ref('feat_product_pairs') }}
    where cutoff = 'now' and joint_order_count >= 3

),

products as (

    select product_id, product_name from {{ ref('dim_products') }}

),

final as (

    select
        pairs.product_id,
        own.product_name,
        pairs.other_product_id,
        other.product_name as other_product_name,
        pairs.joint_order_count,
        pairs.confidence as order_share,
        pairs.lift,
        pairs.last_joint_order_at
    from pairs
    inner join products as own on pairs.product_id = own.product_id
    inner join products as other on pairs.other_product_id = other.product_id

)

select * from final
order by lift desc, joint_order_count desc, product_id, other_product_id
