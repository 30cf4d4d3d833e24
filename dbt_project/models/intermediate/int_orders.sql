with orders as (

    select
        transactions.user_id,
        transactions.transaction_id,
        min(transactions.purchased_at) as ordered_at,
        count(distinct products.category) as categories,
        {{ exact_sum('transactions.quantity') }} as pieces,
        {{ exact_sum('transactions.amount') }} as amount
    from {{ ref('fct_transactions') }} as transactions
    inner join {{ ref('dim_products') }} as products on transactions.product_id = products.product_id
    where not transactions.is_return and transactions.user_id is not null
    group by transactions.user_id, transactions.transaction_id

),

-- One order of a thousand pieces must not decide an experiment.
caps as (

    select
        percentile_cont({{ var('order_cap_quantile') }}) within group (order by pieces) as max_pieces,
        percentile_cont({{ var('order_cap_quantile') }}) within group (order by amount) as max_amount
    from orders

)

select
    orders.*,
    least(orders.pieces, caps.max_pieces) as capped_pieces,
    least(orders.amount, caps.max_amount) as capped_amount
from orders
cross join caps
