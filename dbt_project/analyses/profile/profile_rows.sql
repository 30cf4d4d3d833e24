-- Lines by status: lines = loaded + rejected, loaded = clean + duplicates + excluded + quarantined.
select
    feed,
    files,
    lines,
    loaded,
    rejected,
    clean,
    duplicates,
    excluded,
    quarantined
from {{ ref('audit_feeds') }}
order by feed
