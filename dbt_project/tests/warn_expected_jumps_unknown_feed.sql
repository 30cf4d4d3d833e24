{{ config(severity='warn', meta={'dagster': {'ref': {'name': 'expected_jumps'}}}) }}

-- Warns of expected jumps of undeclared feeds, which have no effect and may be spelling mistakes.
with expected as (

    select distinct {{ clean_text('feed') }} as feed from {{ ref('expected_jumps') }}

),

feeds as (

    select distinct lower(feed) as feed from {{ source('raw', 'feeds') }}

)

select concat('expected_jumps.csv: the shop has no feed ''', expected.feed, '''') as message
from expected
left join feeds on lower(expected.feed) = feeds.feed
where expected.feed is not null and feeds.feed is null
order by expected.feed
