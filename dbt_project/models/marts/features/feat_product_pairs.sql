{% set names = cutoff_names() %}

-- noqa: disable=LT02
with cutoffs as (

    select * from {{ ref('int_feature_cutoffs') }}

),

cutoff_times as (

    select
        {% for cutoff in names -%}
        max(case when cutoff = '{{ cutoff }}' then as_of end) as {{ cutoff }}{{ ',' if not loop.last }}
        {% endfor %}
    from cutoffs

),

-- The product's last purchase in the order before each cutoff. The cutoffs are columns, so that lines are joined once
-- and not once for each cutoff.
lines as (

    select
        transactions._feed,
        transactions.transaction_id,
        transactions.product_id,
        {% for cutoff in names -%}
        max(case when transactions.purchased_at < cutoff_times.{{ cutoff }} then transactions.purchased_at end)
            as purchased_at_{{ cutoff }}{{ ',' if not loop.last }}
        {% endfor %}
    from {{ ref('fct_transactions') }} as transactions
    cross join cutoff_times
    where not transactions.is_return
    group by transactions._feed, transactions.transaction_id, transactions.product_id

),

-- Two feeds can have equal transaction ids.
orders as (

    select
        _feed,
        transaction_id,
        {% for cutoff in names -%}
        count(purchased_at_{{ cutoff }}) as product_count_{{ cutoff }}{{ ',' if not loop.last }}
        {% endfor %}
    from lines
    group by _feed, transaction_id

),

-- A wholesale order of hundreds of products is weak evidence for a pair and has tens of thousands of pairs, so it is left
-- out.
lines_within_limit as (

    select
        lines._feed,
        lines.transaction_id,
        lines.product_id,
        {% for cutoff in names -%}
        case
            when orders.product_count_{{ cutoff }} <= {{ var('max_order_products') }}
                then lines.purchased_at_{{ cutoff }}
        end
            as purchased_at_{{ cutoff }},
        {% endfor -%}
        orders.product_count_now > 1 as has_other_products
    from lines
    inner join orders
        on lines._feed = orders._feed
        and lines.transaction_id = orders.transaction_id

),

baskets as (

    select * from lines_within_limit
    where has_other_products and coalesce(
        {%- for cutoff in names -%}
        purchased_at_{{ cutoff }}{{ ', ' if not loop.last }}
        {%- endfor -%}
    ) is not null

),

joint_orders as (

    select
        left_side.product_id,
        right_side.product_id as other_product_id,
        {% for cutoff in names -%}
        count(case when right_side.purchased_at_{{ cutoff }} is not null then left_side.purchased_at_{{ cutoff }} end)
            as order_count_{{ cutoff }},
        max(case when right_side.purchased_at_{{ cutoff }} is not null then left_side.purchased_at_{{ cutoff }} end)
            as last_order_at_{{ cutoff }}{{ ',' if not loop.last }}
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
        {% for cutoff in names -%}
        count(purchased_at_{{ cutoff }}) as order_count_{{ cutoff }}{{ ',' if not loop.last }}
        {% endfor %}
    from lines_within_limit
    group by product_id

),

shop as (

    select
        {% for cutoff in names -%}
        count(case when product_count_{{ cutoff }} between 1 and {{ var('max_order_products') }} then 1 end)
            as order_count_{{ cutoff }}{{ ',' if not loop.last }}
        {% endfor %}
    from orders

),

pairs as (

    select
        cutoffs.cutoff,
        cutoffs.as_of,
        joint_orders.product_id,
        joint_orders.other_product_id,
        {{ column_at_cutoff('joint_orders.order_count') }} as joint_order_count,
        {{ column_at_cutoff('first_products.order_count') }} as order_count,
        {{ column_at_cutoff('other_products.order_count') }} as other_order_count,
        {{ column_at_cutoff('shop.order_count') }} as shop_order_count,
        {{ column_at_cutoff('joint_orders.last_order_at') }} as last_joint_order_at
    from joint_orders
    inner join products as first_products on joint_orders.product_id = first_products.product_id
    inner join products as other_products on joint_orders.other_product_id = other_products.product_id
    cross join shop
    cross join cutoffs

),

final as (

    select
        cutoff,
        as_of,
        product_id,
        other_product_id,
        joint_order_count,
        order_count,
        other_order_count,
        {{ safe_divide('joint_order_count', 'order_count') }} as confidence,
        {{ safe_divide('joint_order_count', 'order_count') }}
        / {{ safe_divide('other_order_count', 'shop_order_count') }} as lift,
        last_joint_order_at
    from pairs
    where joint_order_count >= 2

)

select * from final
