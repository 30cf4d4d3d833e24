with shown as (

    select
        product_id,
        count(*) as places
    from {{ ref('rec_top_n') }}
    group by product_id

),

products as (

    select
        coalesce(rules.category, '(unknown)') as category,
        case when shown.product_id is not null then 1 else 0 end as is_shown,
        coalesce(shown.places, 0) as places
    from {{ ref('rec_product_rules') }} as rules
    left join shown on rules.product_id = shown.product_id
    where rules.is_offered

),

segments as (

    select 'all' as segment, 'all' as segment_value, is_shown, places from products
    union all
    select 'category' as segment, category as segment_value, is_shown, places from products

),

summed as (

    select
        segment,
        segment_value,
        count(*) as offered_products,
        sum(is_shown) as shown_products,
        sum(places) as places
    from segments
    group by segment, segment_value

),

final as (

    select
        segment,
        segment_value,
        offered_products,
        cast(shown_products as {{ dbt.type_bigint() }}) as shown_products,
        {{ share('shown_products', 'offered_products') }} as coverage,
        {{ share('offered_products', 'sum(offered_products) over (partition by segment)') }} as catalog_share,
        cast(places as {{ dbt.type_bigint() }}) as places,
        {{ share('places', 'sum(places) over (partition by segment)') }} as place_share
    from summed

)

select * from final
