-- One row per product of an order. Two feeds can have equal transaction ids.
with lines as (

    select
        cutoffs.cutoff,
        cutoffs.as_of,
        transactions._feed,
        transactions.transaction_id,
        transactions.product_id,
        max(transactions.purchased_at) as purchased_at
    from {{ ref('fct_transactions') }} as transactions
    inner join {{ ref('int_feature_cutoffs') }} as cutoffs on transactions.purchased_at < cutoffs.as_of
    where not transactions.is_return
    group by
        cutoffs.cutoff, cutoffs.as_of, transactions._feed, transactions.transaction_id, transactions.product_id

),

-- A wholesale order of hundreds of products is weak evidence for a pair and has tens of thousands of pairs, so it is left
-- out.
orders as (

    select
        cutoff,
        _feed,
        transaction_id,
        count(*) as product_count
    from lines
    group by cutoff, _feed, transaction_id
    having count(*) <= {{ var('max_order_products') }}

),

order_lines as (

    select
        lines.*,
        orders.product_count
    from lines
    inner join orders
        on lines.cutoff = orders.cutoff
        and lines._feed = orders._feed
        and lines.transaction_id = orders.transaction_id

),

product_counts as (

    select
        cutoff,
        product_id,
        count(*) as order_count
    from order_lines
    group by cutoff, product_id

),

shop_counts as (

    select
        cutoff,
        count(*) as order_count
    from orders
    group by cutoff

),

joint_orders as (

    select
        lines.cutoff,
        lines.as_of,
        lines.product_id,
        other_lines.product_id as other_product_id,
        count(*) as joint_order_count,
        max(lines.purchased_at) as last_joint_order_at
    from order_lines as lines
    inner join order_lines as other_lines
        on lines.cutoff = other_lines.cutoff
        and lines._feed = other_lines._feed
        and lines.transaction_id = other_lines.transaction_id
        and lines.product_id != other_lines.product_id
    where lines.product_count > 1 and other_lines.product_count > 1
    group by lines.cutoff, lines.as_of, lines.product_id, other_lines.product_id
    having count(*) >= 2

)

select
    joint_orders.cutoff,
    joint_orders.as_of,
    joint_orders.product_id,
    joint_orders.other_product_id,
    joint_orders.joint_order_count,
    product_counts.order_count,
    other_product_counts.order_count as other_order_count,
    {{ safe_divide('joint_orders.joint_order_count', 'product_counts.order_count') }} as confidence,
    {{ safe_divide('joint_orders.joint_order_count', 'product_counts.order_count') }}
    / {{ safe_divide('other_product_counts.order_count', 'shop_counts.order_count') }} as lift,
    joint_orders.last_joint_order_at
from joint_orders
inner join shop_counts on joint_orders.cutoff = shop_counts.cutoff
inner join product_counts
    on joint_orders.cutoff = product_counts.cutoff
    and joint_orders.product_id = product_counts.product_id
inner join product_counts as other_product_counts
    on joint_orders.cutoff = other_product_counts.cutoff
    and joint_orders.other_product_id = other_product_counts.product_id
