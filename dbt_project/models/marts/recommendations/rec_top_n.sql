with offers as (

    select * from {{ ref('int_offers_ranked') }}

),

serving_run as (

    select run_id from {{ source('ml', 'model_runs') }}
    where is_serving

),

users as (

    select user_id, favourite_category from {{ ref('dim_users') }}

),

products as (

    select * from {{ ref('dim_products') }}

),

popular_products as (

    select product_id, reason from {{ ref('int_popular_products_ranked') }}

),

-- What the customer did with the product that speaks most for the offer; the strongest action gives the words.
reasons as (

    select
        interactions.user_id,
        interactions.product_id,
        case
            when interactions.purchased_quantity > 0 then 'Because you bought ' || products.product_name
            when interactions.add_to_cart_count > 0 then 'Because you put ' || products.product_name || ' in your cart'
            when interactions.click_count > 0 then 'Because you clicked on ' || products.product_name
            when interactions.view_count > 0 then 'Because you viewed ' || products.product_name
        end as reason
    from {{ ref('feat_user_product_interactions') }} as interactions
    inner join products on interactions.product_id = products.product_id
    where interactions.as_of_name = 'now'

),

final as (

    select
        serving_run.run_id,
        offers.user_id,
        offers.rank,
        offers.product_id,
        products.product_name,
        products.category,
        products.brand,
        products.price,
        offers.score,
        offers.source,
        offers.reason_product_id,
        coalesce(
            case when offers.source = 'pinned' then {{ pinned_reason() }} end,
            reasons.reason,
            case when products.category = users.favourite_category then 'Popular in ' || products.category end,
            popular_products.reason,
            'Popular in ' || products.category,
            'Popular in the shop'
        ) as reason
    from offers
    inner join users on offers.user_id = users.user_id
    inner join products on offers.product_id = products.product_id
    left join serving_run on true
    left join popular_products on offers.product_id = popular_products.product_id
    left join reasons on offers.user_id = reasons.user_id and offers.reason_product_id = reasons.product_id

)

select * from final
