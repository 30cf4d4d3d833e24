with popular_products as (

    select * from {{ ref('int_popular_products_ranked') }}

),

anonymous_list as (

    select * from {{ ref('int_recommendations_ranked') }}
    where user_id = {{ anonymous_user_id() }}

),

-- Products that the caps exclude follow after the list, so that a filter by category finds all products.
unlisted as (

    select
        popular_products.product_id,
        popular_products.score,
        row_number() over (order by popular_products.rank) + (select count(*) from anonymous_list) as rank
    from popular_products
    left join anonymous_list on popular_products.product_id = anonymous_list.product_id
    where anonymous_list.product_id is null

),

ranked as (

    select product_id, score, rank, source from anonymous_list
    union all
    select product_id, score, rank, 'popularity' as source from unlisted

)

select
    cast(ranked.rank as integer) as rank,
    ranked.product_id,
    products.product_name,
    products.category,
    products.brand,
    products.price,
    ranked.score,
    ranked.source,
    {{ fill_placeholders('reason_texts.reason_text', 'null', 'products.category') }} as reason
from ranked
inner join {{ ref('dim_products') }} as products on ranked.product_id = products.product_id
left join popular_products on ranked.product_id = popular_products.product_id
left join {{ ref('reason_texts') }} as reason_texts
    on case
        when ranked.source = 'pinned' then 'pinned'
        else popular_products.reason_key
    end = reason_texts.reason_key
