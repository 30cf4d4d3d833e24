-- Purchases of products that the shop recommends again.
with purchased_products as (

    select
        user_id,
        product_id,
        purchase_days,
        last_purchase_date
    from {{ ref('feat_user_product_repeats') }}
    where cutoff = 'now' and is_repeat_shop

),

recommendations_with_reason_key as (

    select
        recommendations.*,
        policies.run_id,
        products.product_name,
        products.category,
        products.brand,
        products.price,
        -- Of the reason product. If there is none, of the recommended product itself.
        strongest_actions.product_name as reason_product_name,
        purchased_products.purchase_days,
        purchased_products.last_purchase_date,
        case
            when recommendations.source = 'pinned' then 'pinned'
            when recommendations.is_explored then 'explored'
            when purchased_products.purchase_days > 1 then 'bought_again'
            when purchased_products.purchase_days = 1 then 'bought_once'
            when recommendations.reason_product_id is not null and strongest_actions.reason_key is not null
                then strongest_actions.reason_key
            when recommendations.source = 'model' and strongest_actions.reason_key is not null
                then strongest_actions.reason_key || '_before'
            when products.category = policies.favourite_category then 'favourite_category'
            when popular_products.reason_key is not null then popular_products.reason_key
            when products.category is not null then 'more_from_category'
            else 'more_from_shop'
        end as reason_key
    from {{ ref('int_recommendations_ranked') }} as recommendations
    inner join {{ ref('int_user_policies') }} as policies on recommendations.user_id = policies.user_id
    inner join {{ ref('dim_products') }} as products on recommendations.product_id = products.product_id
    left join {{ ref('int_popular_products_ranked') }} as popular_products
        on recommendations.product_id = popular_products.product_id
    left join {{ ref('int_strongest_actions') }} as strongest_actions
        on recommendations.user_id = strongest_actions.user_id
        and coalesce(recommendations.reason_product_id, recommendations.product_id) = strongest_actions.product_id
    left join purchased_products
        on recommendations.user_id = purchased_products.user_id
        and recommendations.product_id = purchased_products.product_id
    where recommendations.user_id != {{ anonymous_user_id() }}

)

select
    recommendations.run_id,
    recommendations.user_id,
    recommendations.rank,
    recommendations.product_id,
    recommendations.product_name,
    recommendations.category,
    recommendations.brand,
    recommendations.price,
    recommendations.score,
    recommendations.source,
    case when recommendations.is_explored then null else recommendations.reason_product_id end as reason_product_id,
    {{ fill_placeholders(
        fill_purchase_placeholders(
            'reason_texts.reason_text', 'recommendations.purchase_days', 'recommendations.last_purchase_date'
        ),
        'recommendations.reason_product_name',
        'recommendations.category',
    ) }} as reason,
    recommendations.reason_key,
    recommendations.propensity
from recommendations_with_reason_key as recommendations
left join {{ ref('reason_texts') }} as reason_texts on recommendations.reason_key = reason_texts.reason_key
