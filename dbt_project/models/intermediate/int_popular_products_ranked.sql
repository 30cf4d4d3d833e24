with ranked as (

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
    from {{ ref('feat_product_popularity') }} as popularity
    inner join {{ ref('rec_product_rules') }} as rules on popularity.product_id = rules.product_id
    where popularity.cutoff = 'now' and popularity.recent_popularity > 0 and rules.is_recommendable

)

-- A product is popular if it has at least as many actions as the average recommendable product.
select
    rank,
    product_id,
    category,
    brand,
    category_cap,
    brand_cap,
    score,
    case
        when action_count_28d > 0 and action_count_28d >= avg(action_count_28d) over () then 'popular_this_month'
        when action_count >= avg(action_count) over (partition by category) and category is not null
            then 'popular_in_category'
        when action_count >= avg(action_count) over () then 'popular_in_shop'
        when category is not null then 'more_from_category'
        else 'more_from_shop'
    end as reason_key
from ranked
