-- Customers by days since their last action, in steps that double. Step -1 is less than a day.
with customers as (

    select
        recency_days,
        case when recency_days < 1 then -1 else {{ log2_bucket('recency_days') }} end as step
    from {{ ref('feat_user_activity') }}
    where cutoff = 'now'

)

select
    step,
    count(*) as customers,
    max(recency_days) as max_days
from customers
group by step
order by step
