with cutoffs as (

    select * from {{ ref('int_feature_cutoffs') }}

),

existing_products as (

    select
        cutoffs.cutoff,
        cutoffs.as_of,
        products.product_id
    from {{ ref('dim_products') }} as products
    inner join cutoffs
        on products.first_seen_at < cutoffs.as_of
        or cutoffs.cutoff = 'now'

),

-- Versions are joined with the cutoffs first, because a join of products and versions that also compares times is
-- slower by seconds.
versions as (

    select
        cutoffs.cutoff,
        history.*
    from {{ ref('dim_product_history') }} as history
    inner join cutoffs
        on case
            when cutoffs.cutoff = 'now' then history.is_current
            else {{ known_as_of('history', 'cutoffs.as_of') }}
        end

)

select
    existing_products.cutoff,
    existing_products.as_of,
    existing_products.product_id,
    coalesce(versions.product_name, existing_products.product_id) as product_name,
    versions.category,
    versions.brand,
    versions.price,
    cast(coalesce(popularity.user_count, 0) as {{ type_double() }}) as popularity,
    cast(coalesce(popularity.user_count_28d, 0) as {{ type_double() }}) as active_users_28d,
    coalesce(popularity.recent_popularity, 0) as recent_popularity,
    coalesce(versions.is_available, true) as is_available
from existing_products
left join versions
    on existing_products.cutoff = versions.cutoff
    and existing_products.product_id = versions.product_id
left join {{ ref('feat_product_popularity') }} as popularity
    on existing_products.cutoff = popularity.cutoff
    and existing_products.product_id = popularity.product_id
