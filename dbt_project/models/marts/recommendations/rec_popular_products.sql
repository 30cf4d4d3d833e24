with popular_products as (

    select * from {{ ref('int_popular_products_ranked') }}

),

products as (

    select * from {{ ref('dim_products') }}

),

listed as (

    select * from {{ ref('int_offers_ranked') }}
    where user_id = {{ stranger() }}

),

-- After the list, what the caps keep out of it: who looks for one category finds all of it.
unlisted as (

    select
        popular_products.product_id,
        popular_products.score,
        row_number() over (order by popular_products.rank) + (select count(*) from listed) as rank
    from popular_products
    left join listed on popular_products.product_id = listed.product_id
    where listed.product_id is null

),

ranked as (

    select product_id, score, rank, source from listed
    union all
    select product_id, score, rank, 'popularity' as source from unlisted

),

final as (

    select
        cast(ranked.rank as integer) as rank,
        ranked.product_id,
        products.product_name,
        products.category,
        products.brand,
        products.price,
        ranked.score,
        ranked.source,
        case when ranked.source = 'pinned' then {{ pinned_reason() }} else popular_products.reason end as reason
    from ranked
    inner join products on ranked.product_id = products.product_id
    left join popular_products on ranked.product_id = popular_products.product_id

)

select * from final
