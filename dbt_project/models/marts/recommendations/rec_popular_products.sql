with popularity as (

    select * from {{ ref('feat_product_popularity') }}
    where as_of_name = 'now' and recent_popularity > 0

),

products as (

    select * from {{ ref('dim_products') }}
    where is_available

),

final as (

    select
        cast(row_number() over (order by popularity.recent_popularity desc, products.product_id) as integer) as rank,
        products.product_id,
        products.product_name,
        products.category,
        products.brand,
        products.price,
        popularity.recent_popularity as score,
        case
            when popularity.event_count_28d + popularity.purchase_count_28d > 0 then 'Popular this month'
            else 'Popular in ' || coalesce(products.category, 'the shop')
        end as reason
    from popularity
    inner join products on popularity.product_id = products.product_id

)

select * from final
