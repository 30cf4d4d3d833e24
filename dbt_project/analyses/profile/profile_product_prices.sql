-- Products by newest price, in bins that double; a price below one cent counts as one cent. Products without a price
-- are left out.
with products as (

    select
        price,
        {{ log2_bin('case when price < 0.01 then 0.01 else price end') }} as bin_number
    from {{ ref('dim_products') }}
    where price > 0

)

select
    bin_number,
    count(*) as products,
    min(price) as lowest_price,
    max(price) as highest_price
from products
group by bin_number
order by bin_number
