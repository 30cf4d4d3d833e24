-- Why rows are in quarantine. A row may have several reasons and counts for each.
select
    feed,
    reason,
    rows
from {{ ref('audit_quarantine_reasons') }}
order by rows desc, feed, reason
