-- Customers by days since their last action, in bins that double. Bin -1 is less than a day.
with customers as (

    select
        recency_days,
        case when recency_days < 1 then -1 else {{ log2_bin('recency_days') }} end as bin_number
    from {{ ref('feat_user_activity') }}
    where cutoff = 'now'

)

select
    bin_number,
    count(*) as customers,
    max(recency_days) as max_days
from customers
group by bin_number
order by bin_number
