-- Quarantined rows by reason. A row with several reasons counts for each.
select
    feed,
    reason,
    sum(rows) as rows
from {{ ref('audit_feed_day_reasons') }}
where outcome = 'quarantined'
group by feed, reason
order by sum(rows) desc, feed, reason
