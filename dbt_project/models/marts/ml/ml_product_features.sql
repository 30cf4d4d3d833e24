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

-- What the shop had said of a product before as_of. What it said without a date may be older or newer and is taken.
facts as (

    select
        spine.as_of_name,
        versions.product_id,
        {{ latest('versions.product_name', 'versions.version_number') }} as product_name,
        {{ latest('versions.category', 'versions.version_number') }} as category,
        {{ latest('versions.brand', 'versions.version_number') }} as brand,
        {{ latest('versions.price', 'versions.version_number') }} as price,
        {{ latest('versions.is_available', 'versions.version_number') }} as is_available
    from {{ ref('int_products_unioned') }} as versions
    inner join spine
        on versions.seen_at < spine.as_of
        or versions.seen_at is null
        or spine.as_of_name = 'now'
    group by spine.as_of_name, versions.product_id

),

popularity as (

    select * from {{ ref('feat_product_popularity') }}

),

final as (

    select
        known.as_of_name,
        known.as_of,
        known.product_id,
        {{ display_name('facts.product_name', 'facts.brand', 'known.product_id') }} as product_name,
        facts.category,
        facts.brand,
        facts.price,
        cast(coalesce(popularity.user_count, 0) as {{ type_double() }}) as popularity,
        coalesce(popularity.recent_popularity, 0) as recent_popularity,
        coalesce(facts.is_available, true) as is_available
    from known
    left join facts on known.as_of_name = facts.as_of_name and known.product_id = facts.product_id
    left join popularity on known.as_of_name = popularity.as_of_name and known.product_id = popularity.product_id

)

select * from final
