-- Customers by number of actions, in bins that double.
with customers as (

    select
        action_count,
        {{ log2_bin('action_count') }} as bin_number
    from {{ ref('feat_user_activity') }}
    where cutoff = 'now'

)

select
    bin_number,
    count(*) as customers,
    sum(action_count) as actions,
    max(action_count) as max_actions
from customers
group by bin_number
order by bin_number
