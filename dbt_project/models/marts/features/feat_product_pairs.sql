{% set instants = as_of_names() %}

with spine as (

    select * from {{ ref('int_as_of_spine') }}

),

instants as (

    select
        {% for instant in instants -%}
        max(case when as_of_name = '{{ instant }}' then as_of end) as {{ instant }}{{ ',' if not loop.last }}
        {% endfor %}
    from spine

),

-- The instants stand side by side, so that lines meet once and not once for each of them: when the product was bought in
-- this order for the last time, as each instant sees it.
lines as (

    select
        transactions._feed,
        transactions.transaction_id,
        transactions.product_id,
        {% for instant in instants -%}
        max(case when transactions.purchased_at < instants.{{ instant }} then transactions.purchased_at end)
            as bought_{{ instant }}{{ ',' if not loop.last }}
        {% endfor %}
    from {{ ref('fct_transactions') }} as transactions
    cross join instants
    where not transactions.is_return
    group by transactions._feed, transactions.transaction_id, transactions.product_id

),

-- Two feeds may both number their orders from one.
orders as (

    select
        _feed,
        transaction_id,
        {% for instant in instants -%}
        count(bought_{{ instant }}) as products_{{ instant }}{{ ',' if not loop.last }}
        {% endfor %}
    from lines
    group by _feed, transaction_id

),

-- A wholesaler's order of hundreds of products says little about any two of them, and has tens of thousands of pairs: it
-- counts nowhere.
shortened as (

    select
        lines._feed,
        lines.transaction_id,
        lines.product_id,
        {% for instant in instants -%}
        case when orders.products_{{ instant }} <= {{ var('longest_order') }} then lines.bought_{{ instant }} end
            as bought_{{ instant }},
        {% endfor -%}
        orders.products_now > 1 as has_others
    from lines
    inner join orders
        on lines._feed = orders._feed
        and lines.transaction_id = orders.transaction_id

),

baskets as (

    select * from shortened
    where has_others and coalesce(
        {%- for instant in instants -%}
        bought_{{ instant }}{{ ', ' if not loop.last }}
        {%- endfor -%}
    ) is not null

),

together as (

    select
        left_side.product_id,
        right_side.product_id as other_product_id,
        {% for instant in instants -%}
        count(case when right_side.bought_{{ instant }} is not null then left_side.bought_{{ instant }} end)
            as orders_{{ instant }},
        max(case when right_side.bought_{{ instant }} is not null then left_side.bought_{{ instant }} end)
            as last_{{ instant }}{{ ',' if not loop.last }}
        {% endfor %}
    from baskets as left_side
    inner join baskets as right_side
        on left_side._feed = right_side._feed
        and left_side.transaction_id = right_side.transaction_id
        and left_side.product_id != right_side.product_id
    group by left_side.product_id, right_side.product_id
    having count(*) >= 2

),

products as (

    select
        product_id,
        {% for instant in instants -%}
        count(bought_{{ instant }}) as orders_{{ instant }}{{ ',' if not loop.last }}
        {% endfor %}
    from shortened
    group by product_id

),

shop as (

    select
        {% for instant in instants -%}
        count(case when products_{{ instant }} between 1 and {{ var('longest_order') }} then 1 end)
            as orders_{{ instant }}{{ ',' if not loop.last }}
        {% endfor %}
    from orders

),

pairs as (

    select
        spine.as_of_name,
        spine.as_of,
        together.product_id,
        together.other_product_id,
        {{ of_instant('together.orders') }} as orders_together,
        {{ of_instant('own.orders') }} as order_count,
        {{ of_instant('other.orders') }} as other_order_count,
        {{ of_instant('shop.orders') }} as shop_order_count,
        {{ of_instant('together.last') }} as last_together_at
    from together
    inner join products as own on together.product_id = own.product_id
    inner join products as other on together.other_product_id = other.product_id
    cross join shop
    cross join spine

),

final as (

    select
        as_of_name,
        as_of,
        product_id,
        other_product_id,
        orders_together,
        order_count,
        other_order_count,
        {{ share('orders_together', 'order_count') }} as confidence,
        {{ share('orders_together', 'order_count') }} / {{ share('other_order_count', 'shop_order_count') }} as lift,
        last_together_at
    from pairs
    where orders_together >= 2

)

select * from final
