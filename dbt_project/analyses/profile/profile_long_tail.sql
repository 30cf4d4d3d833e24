-- Concentration of actions on products: the share of each hundredth of the products in all actions, most popular first, and
-- the Gini coefficient (0: all products are equal; 1: one product has all actions).
with products as (

    select
        products.product_id,
        coalesce(popularity.event_count + popularity.purchase_count + popularity.return_count, 0) as actions
    from {{ ref('dim_products') }} as products
    left join {{ ref('feat_product_popularity') }} as popularity
        on products.product_id = popularity.product_id
        and popularity.cutoff = 'now'

),

ranked as (

    select
        actions,
        row_number() over (order by actions desc, product_id) as popularity_rank,
        count(*) over () as product_count,
        sum(actions) over () as total_actions
    from products

),

hundredths as (

    select
        cast(ceil(100.0 * popularity_rank / product_count) as integer) as percent_of_products,
        product_count,
        total_actions,
        count(*) as products,
        sum(actions) as actions,
        sum(popularity_rank * actions) as weighted_actions
    from ranked
    where total_actions > 0
    group by percent_of_products, product_count, total_actions

)

select
    percent_of_products,
    products,
    actions,
    sum(actions) over (order by percent_of_products) * 1.0 / total_actions as cumulative_share,
    (product_count + 1 - 2.0 * sum(weighted_actions) over () / total_actions) / product_count as gini
from hundredths
order by percent_of_products
