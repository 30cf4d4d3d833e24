with facts as (

    select * from {{ ref('dim_product_history') }}
    where is_current

),

statements as (

    select
        product_id,
        min(seen_at) as first_seen_at,
        max(seen_at) as last_updated_at
    from {{ ref('int_products_unioned') }}
    group by product_id

),

first_actions as (

    select
        product_id,
        min(first_action_at) as first_action_at
    from {{ ref('int_product_days') }}
    group by product_id

),

final as (

    select
        facts.product_id,
        facts.product_name,
        facts.category,
        facts.brand,
        facts.price,
        facts.popularity_score,
        facts.is_available,
        case
            when first_actions.first_action_at < statements.first_seen_at then first_actions.first_action_at
            else coalesce(statements.first_seen_at, first_actions.first_action_at)
        end as first_seen_at,
        statements.last_updated_at
    from facts
    inner join statements on facts.product_id = statements.product_id
    left join first_actions on facts.product_id = first_actions.product_id

)

select * from final
