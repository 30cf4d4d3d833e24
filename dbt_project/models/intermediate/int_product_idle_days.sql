with activity as (

    select
        product_id,
        max(last_action_at) as last_action_at,
        {{ safe_divide(
            dbt.datediff('min(action_date)', 'max(action_date)', 'day'), 'count(distinct action_date) - 1'
        ) }} as mean_days_between_active_days
    from {{ ref('int_product_days') }}
    group by product_id

),

products as (

    select
        products.product_id,
        products.product_name,
        products.category,
        activity.last_action_at,
        coalesce(activity.last_action_at, products.first_seen_at) as idle_since,
        activity.mean_days_between_active_days
    from {{ ref('dim_products') }} as products
    inner join {{ ref('rec_product_rules') }} as rules on products.product_id = rules.product_id
    left join activity on products.product_id = activity.product_id
    where rules.is_recommendable

),

-- The slow interval of each category, which nine in ten products do not exceed.
categories as (

    select
        category,
        percentile_cont(0.9) within group (order by mean_days_between_active_days) as slow_interval_days
    from products
    group by category

)

select
    products.product_id,
    products.product_name,
    products.category,
    products.last_action_at,
    -- A catalog can be newer than the newest action.
    case
        when cast(products.idle_since as date) > now_cutoff.last_date then 0
        else {{ dbt.datediff('products.idle_since', 'now_cutoff.last_date', 'day') }}
    end as idle_days,
    categories.slow_interval_days
from products
left join {{ ref('int_feature_cutoffs') }} as now_cutoff on now_cutoff.cutoff = 'now'
left join categories on coalesce(products.category, '') = coalesce(categories.category, '')
