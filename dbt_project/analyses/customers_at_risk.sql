-- Customers with at least three days with a purchase and none for more than twice their usual gap, highest total_spend
-- first. The usual gap is the mean time between days with a purchase.
with user_purchase_days as (

    select
        user_id,
        purchase_date,
        sum(amount) as amount
    from {{ ref('fct_transactions') }}
    where user_id is not null and not is_return
    group by user_id, purchase_date

),

buyers as (

    select
        user_id,
        count(*) as purchase_days,
        sum(amount) as total_spend,
        max(purchase_date) as last_purchase_date,
        {{ dbt.datediff('min(purchase_date)', 'max(purchase_date)', 'day') }} * 1.0 / (count(*) - 1) as usual_gap_days
    from user_purchase_days
    group by user_id
    having count(*) >= 3

),

inactive_buyers as (

    select
        buyers.*,
        {{ dbt.datediff('buyers.last_purchase_date', 'cutoffs.last_date', 'day') }} as inactive_days
    from buyers
    cross join {{ ref('int_feature_cutoffs') }} as cutoffs
    where cutoffs.cutoff = 'now'

)

select
    inactive_buyers.user_id,
    inactive_buyers.purchase_days,
    inactive_buyers.total_spend,
    inactive_buyers.last_purchase_date,
    inactive_buyers.usual_gap_days,
    inactive_buyers.inactive_days,
    users.last_seen_at,
    users.favourite_category
from inactive_buyers
inner join {{ ref('dim_users') }} as users on inactive_buyers.user_id = users.user_id
where inactive_buyers.inactive_days > 2 * inactive_buyers.usual_gap_days
order by inactive_buyers.total_spend desc, inactive_buyers.user_id
