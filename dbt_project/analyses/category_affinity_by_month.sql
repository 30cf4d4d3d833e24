-- Each category's share of a month's actions and purchases, and the change since the previous month.
with monthly_counts as (

    select
        cast({{ dbt.date_trunc('month', 'actions.action_at') }} as date) as action_month,
        products.category,
        count(*) as actions,
        count(case when actions.action_type = 'purchase' then 1 end) as purchases,
        count(distinct actions.user_id) as customers
    from {{ ref('int_user_product_actions') }} as actions
    inner join {{ ref('dim_products') }} as products on actions.product_id = products.product_id
    where products.category is not null
    group by action_month, products.category

),

shares as (

    select
        *,
        actions * 1.0 / sum(actions) over (partition by action_month) as action_share,
        purchases * 1.0 / nullif(sum(purchases) over (partition by action_month), 0) as purchase_share
    from monthly_counts

)

select
    action_month,
    category,
    customers,
    actions,
    purchases,
    action_share,
    purchase_share,
    action_share - lag(action_share) over (partition by category order by action_month) as action_share_change
from shares
order by action_month, action_share desc, category
