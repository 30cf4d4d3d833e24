with spine as (

    select * from {{ ref('int_as_of_spine') }}

),

known as (

    select
        spine.as_of_name,
        spine.as_of,
        products.product_id
    from {{ ref('dim_products') }} as products
    inner join spine
        on products.first_seen_at < spine.as_of
        or spine.as_of_name = 'now'

),

-- Joined with the few instants first: a join of products and versions that compares times as well takes seconds.
versions as (

    select
        spine.as_of_name,
        history.*
    from {{ ref('dim_product_history') }} as history
    inner join spine
        on case
            when spine.as_of_name = 'now' then history.is_current
            else {{ known_as_of('history', 'spine.as_of') }}
        end

),

popularity as (

    select * from {{ ref('feat_product_popularity') }}

),

final as (

    select
        known.as_of_name,
        known.as_of,
        known.product_id,
        coalesce(versions.product_name, known.product_id) as product_name,
        versions.category,
        versions.brand,
        versions.price,
        cast(coalesce(popularity.user_count, 0) as {{ type_double() }}) as popularity,
        cast(coalesce(popularity.user_count_28d, 0) as {{ type_double() }}) as lately_active_users,
        coalesce(popularity.recent_popularity, 0) as recent_popularity,
        coalesce(versions.is_available, true) as is_available
    from known
    left join versions on known.as_of_name = versions.as_of_name and known.product_id = versions.product_id
    left join popularity on known.as_of_name = popularity.as_of_name and known.product_id = popularity.product_id

)

select * from final
