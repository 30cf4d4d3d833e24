-- Quarantined rows by reason. A row with several reasons counts for each.
select
    feed,
    reason,
    rows
from {{ ref('audit_quarantine_reasons') }} as reasons
order by reasons.rows desc, feed, reason
