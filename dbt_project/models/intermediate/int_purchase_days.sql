-- Days are numbered by pair of user and product: a number above 1 is a repeat purchase. purchased_at is the time of the
-- day's first purchase, so that a cutoff inside a day sees no later purchase.
with purchase_days as (

    select
        user_id,
        product_id,
        purchase_date,
        min(purchased_at) as purchased_at
    from {{ ref('int_transactions_unioned') }}
    where user_id is not null and not is_return
    group by user_id, product_id, purchase_date

)

select
    user_id,
    product_id,
    purchase_date,
    purchased_at,
    row_number() over (partition by user_id, product_id order by purchase_date) as purchase_number
from purchase_days
