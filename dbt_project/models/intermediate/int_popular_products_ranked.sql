with popularity as (

    select * from {{ ref('feat_product_popularity') }}
    where as_of_name = 'now' and recent_popularity > 0

),

rules as (

    select * from {{ ref('rec_product_rules') }}
    where is_offered

),

ranked as (

    select
        row_number() over (order by popularity.recent_popularity desc, rules.product_id) as rank,
        rules.product_id,
        rules.category,
        rules.brand,
        rules.category_cap,
        rules.brand_cap,
        popularity.recent_popularity as score,
        case
            when popularity.event_count_28d + popularity.purchase_count_28d > 0 then 'Popular this month'
            else 'Popular in ' || coalesce(rules.category, 'the shop')
        end as reason
    from popularity
    inner join rules on popularity.product_id = rules.product_id

),

crowded as (

    select
        *,
        greatest(
            coalesce(row_number() over (partition by category order by rank) - category_cap, 0),
            coalesce(row_number() over (partition by brand order by rank) - brand_cap, 0),
            0
        ) as beyond_cap
    from ranked

),

final as (

    select
        rank,
        product_id,
        category,
        brand,
        category_cap,
        brand_cap,
        score,
        reason,
        count(case when beyond_cap = 0 then 1 end) over (
            order by rank rows between unbounded preceding and current row
        ) as depth,
        beyond_cap <= {{ var('top_n') }} as is_within_reach
    from crowded

)

select * from final
