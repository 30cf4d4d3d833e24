-- Quarantined rows by reason. A row with several reasons counts for each.
select
    feed,
    reason,
    rows
from {{ ref('audit_quarantine_reasons') }}
order by rows desc, feed, reason
