-- Events by device; purchases of feeds of purchases have no device and are left out.
select
    device,
    count(*) as events,
    count(distinct user_id) as customers
from {{ ref('fct_events') }}
group by device
order by events desc, device
