-- What sells together: pairs of products that were in the same order at least five times, with how much more often than
-- chance would have it. Lift 1 is chance; the share is of the orders with the first product that hold the second, too.
-- Orders of more than fifty products are left out: they are a wholesaler's stock, and say little about what goes together.
with lines as (

    select distinct
        transaction_id,
        product_id
    from {{ ref('fct_transactions') }}
    where not is_return

),

baskets as (

    select
        transaction_id,
        count(*) as product_count
    from lines
    group by transaction_id
    having count(*) <= 50

),

in_baskets as (

    select lines.transaction_id, lines.product_id
    from lines
    inner join baskets on lines.transaction_id = baskets.transaction_id

),

pairs as (

    select
        one.product_id,
        other.product_id as other_product_id,
        count(*) as together
    from in_baskets as one
    inner join in_baskets as other
        on one.transaction_id = other.transaction_id
        and one.product_id != other.product_id
    group by one.product_id, other.product_id
    having count(*) >= 5

),

orders as (

    select
        product_id,
        count(*) as orders
    from in_baskets
    group by product_id

),

all_orders as (

    select count(distinct transaction_id) as all_orders from in_baskets

)

select
    products.product_name,
    other_products.product_name as other_product_name,
    pairs.together,
    pairs.together * 1.0 / orders.orders as share_of_orders,
    pairs.together * 1.0 * all_orders.all_orders / (orders.orders * other_orders.orders) as lift,
    pairs.product_id,
    pairs.other_product_id
from pairs
cross join all_orders
inner join orders on pairs.product_id = orders.product_id
inner join orders as other_orders on pairs.other_product_id = other_orders.product_id
inner join {{ ref('dim_products') }} as products on pairs.product_id = products.product_id
inner join {{ ref('dim_products') }} as other_products on pairs.other_product_id = other_products.product_id
order by lift desc, together desc, product_id, other_product_id
