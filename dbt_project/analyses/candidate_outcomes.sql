-- The serving model's candidates by outcome. A merchandising rule that excludes more than intended is visible here first.
select
    outcome,
    count(*) as candidates,
    count(distinct user_id) as customers,
    count(distinct product_id) as products
from {{ ref('audit_candidates') }}
group by outcome
order by candidates desc, outcome
