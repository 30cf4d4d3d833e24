-- On what devices customers act; purchases that name none are left out.
select
    device,
    count(*) as events,
    count(distinct user_id) as customers
from {{ ref('fct_events') }}
group by device
order by events desc, device
