{%- set above = 'order by rank rows between unbounded preceding and 1 preceding' -%}
with popularity as (

    select * from {{ ref('feat_product_popularity') }}
    where cutoff = 'now' and recent_popularity > 0

),

rules as (

    select * from {{ ref('rec_product_rules') }}
    where is_recommendable

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
        popularity.event_count + popularity.purchase_count as action_count,
        popularity.event_count_28d + popularity.purchase_count_28d as action_count_28d
    from popularity
    inner join rules on popularity.product_id = rules.product_id

),

-- A product is popular if it has at least as many actions as the average recommendable product.
products_with_reason as (

    select
        *,
        case
            when action_count_28d > 0 and action_count_28d >= avg(action_count_28d) over () then 'Popular this month'
            when action_count >= avg(action_count) over (partition by category) and category is not null
                then 'Popular in ' || category
            when action_count >= avg(action_count) over () then 'Popular in the shop'
            else {{ default_reason('category') }}
        end as reason
    from ranked

),

-- Whether each cap allows the product in a list of popular products.
capped as (

    select
        *,
        coalesce(row_number() over (partition by category order by rank) <= category_cap, true)
            as is_within_category_cap,
        coalesce(row_number() over (partition by brand order by rank) <= brand_cap, true) as is_within_brand_cap
    from products_with_reason

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
        count(case when is_within_category_cap and is_within_brand_cap then 1 end) over (
            order by rank rows between unbounded preceding and current row
        ) as within_caps_count,
        greatest(
            coalesce(
                count(case when is_within_brand_cap then 1 end) over (partition by category {{ above }}) - category_cap,
                -1
            ),
            coalesce(
                count(case when is_within_category_cap then 1 end) over (partition by brand {{ above }}) - brand_cap,
                -1
            ),
            coalesce(count(*) over (partition by category, brand {{ above }}) - least(category_cap, brand_cap), -1)
        ) as cap_excess
    from capped

)

select * from final
