{{ config(severity='warn', meta={'dagster': {'ref': {'name': 'audit_feeds'}}}) }}

-- Warns of keys that rows of several products have in one file: only the newest of these rows counts, so the key lacks a
-- column. Dagster shows a test at an asset that the test depends on.
-- depends_on: {{ ref('audit_feeds') }}
-- depends_on: {{ ref('int_events_classified') }}, {{ ref('int_purchases_classified') }}
-- depends_on: {{ ref('int_impressions_classified') }}
-- The items of an unnested record share the key of the record.
{% set keyed_kinds, unnested_feeds = [], [] %}
{% for kind in ['events', 'purchases', 'impressions'] if is_declared(declared_feeds(kind), 'key') %}
    {% do keyed_kinds.append(kind) %}
    {% for feed in declared_feeds(kind) if feed.item_number %}
        {% do unnested_feeds.append(feed.feed) %}
    {% endfor %}
{% endfor %}
with repeated_keys as (

    {% for kind in keyed_kinds -%}
    select
        _load_id,
        _key,
        min(_line) as first_line
    from {{ ref('int_' ~ kind ~ '_classified') }}
    where _key is not null
    group by _load_id, _key
    having min(product_id) != max(product_id)

    union all

    {% endfor -%}
    select
        cast(null as {{ dbt.type_bigint() }}) as _load_id,
        cast(null as {{ dbt.type_string() }}) as _key,
        cast(null as {{ dbt.type_bigint() }}) as first_line
    where 1 = 0

)

select
    concat(
        'feed ', file_loads.feed, ': rows of several products have the same key ', count(*), ' time(s), as in ',
        min(concat(file_loads.path, ', line ', repeated_keys.first_line)),
        ', and only the newest row counts. Add a column to the key of the feed, such as the line number'
    ) as message
from repeated_keys
inner join {{ ref('int_file_loads') }} as file_loads on repeated_keys._load_id = file_loads.load_id
where {{ 'file_loads.feed not in (' ~ quoted_list(unnested_feeds) ~ ')' if unnested_feeds else 'true' }}
group by file_loads.feed
order by file_loads.feed
