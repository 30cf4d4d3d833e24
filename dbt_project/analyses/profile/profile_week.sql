-- Actions by weekday and hour (UTC). Weekday 0 is Monday.
select
    {{ weekday('cast(action_at as date)') }} as weekday,
    extract(hour from action_at) as hour_of_day,
    count(*) as actions
from {{ ref('int_user_product_actions') }}
group by weekday, hour_of_day
order by weekday, hour_of_day
