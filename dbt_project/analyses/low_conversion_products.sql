-- Products with many customers and few buyers, compared with their category. The price, the picture or the stock may be the
-- reason. Only products with at least thirty customers are compared.
with products as (

    select
        products.product_id,
        products.product_name,
        products.category,
        products.price,
        products.is_available,
        popularity.user_count,
        popularity.buyer_count,
        popularity.conversion_rate
    from {{ ref('feat_product_popularity') }} as popularity
    inner join {{ ref('dim_products') }} as products on popularity.product_id = products.product_id
    where popularity.cutoff = 'now' and popularity.user_count >= 30

),

products_with_category_rate as (

    select
        *,
        sum(buyer_count) over (partition by category) * 1.0 / sum(user_count) over (partition by category)
            as category_conversion_rate
    from products

)

select
    product_id,
    product_name,
    category,
    price,
    is_available,
    user_count,
    buyer_count,
    conversion_rate,
    category_conversion_rate,
    user_count * category_conversion_rate - buyer_count as missed_buyer_count
from products_with_category_rate
where conversion_rate < category_conversion_rate
order by missed_buyer_count desc, product_id
