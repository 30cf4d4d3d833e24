-- Products by number of customers with an action on them, in bins that double. Bin -1 is no customer.
with products as (

    select
        coalesce(popularity.user_count, 0) as user_count,
        case
            when coalesce(popularity.user_count, 0) = 0 then -1
            else {{ log2_bin('popularity.user_count') }}
        end as bin_number
    from {{ ref('dim_products') }} as products
    left join {{ ref('feat_product_popularity') }} as popularity
        on products.product_id = popularity.product_id
        and popularity.cutoff = 'now'

)

select
    bin_number,
    count(*) as products,
    max(user_count) as max_customers
from products
group by bin_number
order by bin_number
