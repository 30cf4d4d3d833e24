{{ config(materialized='view') }}

select
    interactions.user_id,
    interactions.product_id,
    products.product_name,
    case
        when interactions.purchased_quantity > 0 then 'bought'
        when interactions.add_to_cart_count > 0 then 'added_to_cart'
        when interactions.click_count > 0 then 'clicked'
        when interactions.view_count > 0 then 'viewed'
    end as reason_key
from {{ ref('feat_user_product_interactions') }} as interactions
inner join {{ ref('dim_products') }} as products on interactions.product_id = products.product_id
where interactions.cutoff = 'now'
