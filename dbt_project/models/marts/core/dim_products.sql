with product_updates as (

    select
        product_id,
        min(effective_at) as first_seen_at,
        max(effective_at) as last_updated_at
    from {{ ref('int_product_versions') }}
    group by product_id

),

first_actions as (

    select
        product_id,
        min(first_action_at) as first_action_at
    from {{ ref('int_product_days') }}
    group by product_id

)

select
    versions.product_id,
    versions.product_name,
    versions.category,
    versions.brand,
    versions.price,
    versions.popularity_score,
    versions.is_available,
    versions.currency,
    versions.margin,
    versions.product_url,
    versions.image_url,
    case
        when first_actions.first_action_at < product_updates.first_seen_at then first_actions.first_action_at
        else coalesce(product_updates.first_seen_at, first_actions.first_action_at)
    end as first_seen_at,
    product_updates.last_updated_at
from {{ ref('dim_product_history') }} as versions
inner join product_updates on versions.product_id = product_updates.product_id
left join first_actions on versions.product_id = first_actions.product_id
where versions.is_current
