-- Actions by day (UTC).
select
    cast(action_at as date) as day,
    count(case when action_type not in ('purchase', 'return') then 1 end) as events,
    count(case when action_type in ('purchase', 'return') then 1 end) as purchases
from {{ ref('int_user_product_actions') }}
group by day
order by day
