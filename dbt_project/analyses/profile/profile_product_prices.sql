-- Products by newest price, in steps that double; a price below one cent counts as one cent. Products without a price are
-- left out.
with products as (

    select
        price,
        {{ log2_bucket('case when price < 0.01 then 0.01 else price end') }} as step
    from {{ ref('dim_products') }}
    where price > 0

)

select
    step,
    count(*) as products,
    min(price) as lowest_price,
    max(price) as highest_price
from products
group by step
order by step
