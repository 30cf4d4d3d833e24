{%- set counts = [
    'files', 'lines', 'loaded', 'rejected', 'clean', 'duplicates', 'excluded', 'quarantined', 'rejected_files',
] -%}

select
    feeds.feed,
    feeds.kind,
    {% for count in counts -%}
    cast(coalesce(sum(days.{{ count }}), 0) as {{ dbt.type_bigint() }}) as {{ count }},
    {% endfor -%}
    max(days.last_loaded_at) as last_loaded_at,
    max(days.newest_row_at) as newest_row_at
from {{ ref('stg_raw__feeds') }} as feeds
left join {{ ref('int_feed_day_counts') }} as days on feeds.feed = days.feed
-- A log without files says nothing.
where feeds.kind not in ({{ quoted_list(log_kinds()) }}) or days.feed is not null
group by feeds.feed, feeds.kind
