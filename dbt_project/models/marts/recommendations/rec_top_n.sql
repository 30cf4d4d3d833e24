with recommendations as (

    select * from {{ ref('int_recommendations_ranked') }}

),

serving_run as (

    select run_id from {{ ref('stg_ml__model_runs') }}
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

-- The strongest action of a customer on a product, as a phrase of the reason.
strongest_actions as (

    select
        interactions.user_id,
        interactions.product_id,
        case
            when interactions.purchased_quantity > 0 then 'you bought ' || products.product_name
            when interactions.add_to_cart_count > 0 then 'you put ' || products.product_name || ' in your cart'
            when interactions.click_count > 0 then 'you clicked on ' || products.product_name
            when interactions.view_count > 0 then 'you viewed ' || products.product_name
        end as action_phrase
    from {{ ref('feat_user_product_interactions') }} as interactions
    inner join products on interactions.product_id = products.product_id
    where interactions.cutoff = 'now'

),

final as (

    select
        serving_run.run_id,
        recommendations.user_id,
        recommendations.rank,
        recommendations.product_id,
        products.product_name,
        products.category,
        products.brand,
        products.price,
        recommendations.score,
        recommendations.source,
        recommendations.reason_product_id,
        coalesce(
            case when recommendations.source = 'pinned' then {{ pinned_reason() }} end,
            case
                when recommendations.reason_product_id is not null then 'Because ' || strongest_actions.action_phrase
                when recommendations.source = 'model' then 'Because ' || strongest_actions.action_phrase || ' before'
            end,
            case
                when products.category = users.favourite_category
                    then 'From ' || products.category || ', which you like'
            end,
            popular_products.reason,
            {{ default_reason('products.category') }}
        ) as reason
    from recommendations
    inner join users on recommendations.user_id = users.user_id
    inner join products on recommendations.product_id = products.product_id
    left join serving_run on true
    left join popular_products on recommendations.product_id = popular_products.product_id
    -- The reason product. If there is none, the recommended product itself.
    left join strongest_actions
        on recommendations.user_id = strongest_actions.user_id
        and coalesce(recommendations.reason_product_id, recommendations.product_id) = strongest_actions.product_id

)

select * from final
