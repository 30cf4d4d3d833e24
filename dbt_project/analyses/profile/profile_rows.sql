-- Lines by status: lines = loaded + rejected, loaded = clean + duplicates + quarantined.
select
    feed,
    files,
    lines,
    loaded,
    rejected,
    clean,
    duplicates,
    quarantined
from {{ ref('audit_feeds') }}
order by feed
