with facts as (

    select
        product_id,
        {{ latest('product_name', 'version_number') }} as product_name,
        {{ latest('category', 'version_number') }} as category,
        {{ latest('brand', 'version_number') }} as brand,
        {{ latest('price', 'version_number') }} as price,
        {{ latest('popularity_score', 'version_number') }} as popularity_score,
        {{ latest('is_available', 'version_number') }} as is_available,
        min(seen_at) as first_seen_at,
        max(seen_at) as last_updated_at
    from {{ ref('int_products_unioned') }}
    group by product_id

),

first_actions as (

    select
        product_id,
        min(action_at) as first_action_at
    from {{ ref('int_user_product_actions') }}
    group by product_id

),

final as (

    select
        facts.product_id,
        {{ display_name('facts.product_name', 'facts.brand', 'facts.product_id') }} as product_name,
        facts.category,
        facts.brand,
        facts.price,
        facts.popularity_score,
        coalesce(facts.is_available, true) as is_available,
        case
            when first_actions.first_action_at < facts.first_seen_at then first_actions.first_action_at
            else coalesce(facts.first_seen_at, first_actions.first_action_at)
        end as first_seen_at,
        facts.last_updated_at
    from facts
    left join first_actions on facts.product_id = first_actions.product_id

)

select * from final
