with ranked_pairs as (

    select
        *,
        row_number() over (
            partition by product_id
            order by joint_order_count desc, lift desc, other_product_id
        ) as rank
    from {{ ref('feat_product_pairs') }}
    where cutoff = 'now'

)

select
    pairs.product_id,
    cast(pairs.rank as integer) as rank,
    pairs.other_product_id,
    products.product_name as other_product_name,
    products.category as other_category,
    products.price as other_price,
    pairs.joint_order_count,
    pairs.order_count,
    round(pairs.confidence, 9) as confidence,
    round(pairs.lift, 9) as lift,
    pairs.last_joint_order_at
from ranked_pairs as pairs
inner join {{ ref('dim_products') }} as products on pairs.other_product_id = products.product_id
where pairs.rank <= {{ var('max_product_pairs') }}
