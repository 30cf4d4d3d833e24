select
    feed,
    reason,
    cast(sum(rows) as {{ dbt.type_bigint() }}) as rows
from {{ ref('audit_feed_day_reasons') }}
where outcome = 'quarantined'
group by feed, reason
