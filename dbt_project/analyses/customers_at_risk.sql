-- Customers who used to buy and have gone quiet: at least three days with a purchase, and more than twice their usual gap
-- since the last. The most spent first. The usual gap is the mean time between days with a purchase.
with purchase_days as (

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
        sum(amount) as spent,
        max(purchase_date) as last_purchase_date,
        {{ dbt.datediff('min(purchase_date)', 'max(purchase_date)', 'day') }} * 1.0 / (count(*) - 1) as usual_gap_days
    from purchase_days
    group by user_id
    having count(*) >= 3

),

quiet as (

    select
        buyers.*,
        {{ dbt.datediff('buyers.last_purchase_date', 'spine.last_day', 'day') }} as quiet_days
    from buyers
    cross join {{ ref('int_as_of_spine') }} as spine
    where spine.as_of_name = 'now'

)

select
    quiet.user_id,
    quiet.purchase_days,
    quiet.spent,
    quiet.last_purchase_date,
    quiet.usual_gap_days,
    quiet.quiet_days,
    users.last_seen_at,
    users.favourite_category
from quiet
inner join {{ ref('dim_users') }} as users on quiet.user_id = users.user_id
where quiet.quiet_days > 2 * quiet.usual_gap_days
order by quiet.spent desc, quiet.user_id
