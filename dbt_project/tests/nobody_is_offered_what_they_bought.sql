{{ config(meta={'dagster': {'ref': {'name': 'rec_top_n'}}}) }}

-- Holds only while the setting asks for it.
select
    offers.user_id,
    offers.product_id
from {{ ref('rec_top_n') }} as offers
inner join {{ ref('feat_user_product_interactions') }} as interactions
    on offers.user_id = interactions.user_id
    and offers.product_id = interactions.product_id
where
    interactions.as_of_name = 'now'
    and interactions.purchased_quantity > 0
    and {{ 'true' if var('exclude_purchased') else 'false' }}
