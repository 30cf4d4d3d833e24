-- Customers by number of actions, in steps that double.
with customers as (

    select
        action_count,
        {{ log2_bucket('action_count') }} as step
    from {{ ref('feat_user_activity') }}
    where cutoff = 'now'

)

select
    step,
    count(*) as customers,
    sum(action_count) as actions,
    max(action_count) as max_actions
from customers
group by step
order by step
