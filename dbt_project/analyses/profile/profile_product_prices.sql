-- What products cost: products by their newest price, in steps that double. Products without a price are left out.
with products as (

    select
        price,
        {{ doubling_step('price') }} as step
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
