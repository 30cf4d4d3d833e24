-- What became of the serving model's candidates, and how much of it each of the shop's rules decided. A rule that keeps out
-- far more than was meant shows here first.
select
    outcome,
    count(*) as candidates,
    count(distinct user_id) as customers,
    count(distinct product_id) as products
from {{ ref('audit_candidates') }}
group by outcome
order by candidates desc, outcome
