{{ config(severity='warn', meta={'dagster': {'ref': {'name': 'audit_feeds'}}}) }}

-- Warns of feeds of which conditions exclude every row: a misspelt value excludes rows without another sign.
select
    concat(
        'feed ', feed, ': conditions or ignored event types exclude all of its ', loaded, ' rows. Compare the values ',
        'in the files with where and leave_out in the sources file'
    ) as message
from {{ ref('audit_feeds') }}
where loaded > 0 and excluded = loaded
order by feed
