with lines as (

    select distinct
        transaction_id,
        product_id,
        purchased_at
    from {{ ref('fct_transactions') }}
    where not is_return

),

spine as (

    select * from {{ ref('int_as_of_spine') }}

),

seen as (

    select
        spine.as_of_name,
        spine.as_of,
        lines.transaction_id,
        lines.product_id,
        max(lines.purchased_at) as bought_at
    from lines
    inner join spine on lines.purchased_at < spine.as_of
    group by spine.as_of_name, spine.as_of, lines.transaction_id, lines.product_id

),

-- A wholesaler's order of hundreds of products says little about any two of them, and has tens of thousands of pairs.
orders as (

    select
        as_of_name,
        transaction_id
    from seen
    group by as_of_name, transaction_id
    having count(*) between 2 and {{ var('longest_order') }}

),

baskets as (

    select seen.* from seen
    inner join orders
        on seen.as_of_name = orders.as_of_name
        and seen.transaction_id = orders.transaction_id

),

order_counts as (

    select
        as_of_name,
        product_id,
        count(*) as order_count
    from seen
    group by as_of_name, product_id

),

shop as (

    select
        as_of_name,
        count(distinct transaction_id) as order_count
    from seen
    group by as_of_name

),

together as (

    select
        left_side.as_of_name,
        left_side.as_of,
        left_side.product_id,
        right_side.product_id as other_product_id,
        count(*) as orders_together,
        max(left_side.bought_at) as last_together_at
    from baskets as left_side
    inner join baskets as right_side
        on left_side.as_of_name = right_side.as_of_name
        and left_side.transaction_id = right_side.transaction_id
        and left_side.product_id != right_side.product_id
    group by left_side.as_of_name, left_side.as_of, left_side.product_id, right_side.product_id
    having count(*) >= 2

),

final as (

    select
        together.as_of_name,
        together.as_of,
        together.product_id,
        together.other_product_id,
        together.orders_together,
        own.order_count,
        other.order_count as other_order_count,
        {{ share('together.orders_together', 'own.order_count') }} as confidence,
        {{ share('together.orders_together', 'own.order_count') }}
        / {{ share('other.order_count', 'shop.order_count') }} as lift,
        together.last_together_at
    from together
    inner join order_counts as own
        on together.as_of_name = own.as_of_name
        and together.product_id = own.product_id
    inner join order_counts as other
        on together.as_of_name = other.as_of_name
        and together.other_product_id = other.product_id
    inner join shop on together.as_of_name = shop.as_of_name

)

select * from final
