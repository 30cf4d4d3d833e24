-- Products, events, actions and purchases of the ten categories with most actions, and of all others together.
with products as (

    select
        products.category,
        count(*) as products,
        sum(coalesce(popularity.event_count, 0)) as events,
        sum(coalesce(popularity.event_count + popularity.purchase_count + popularity.return_count, 0)) as actions,
        sum(coalesce(popularity.purchase_count, 0)) as purchases
    from {{ ref('dim_products') }} as products
    left join {{ ref('feat_product_popularity') }} as popularity
        on products.product_id = popularity.product_id
        and popularity.cutoff = 'now'
    group by products.category

),

ranked as (

    select
        *,
        row_number() over (order by case when category is null then 1 else 0 end, actions desc, category)
            as category_rank
    from products

),

labelled as (

    select
        case
            when category is null then 'without a category'
            when category_rank <= 10 then category
            else 'all others'
        end as category,
        case when category is null then 12 when category_rank <= 10 then category_rank else 11 end as display_order,
        products,
        events,
        actions,
        purchases
    from ranked

)

select
    display_order,
    category,
    count(*) as categories,
    sum(products) as products,
    sum(events) as events,
    sum(actions) as actions,
    sum(purchases) as purchases
from labelled
group by display_order, category
order by display_order
