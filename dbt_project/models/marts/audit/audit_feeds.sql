with files as (

    select
        feed,
        count(*) as files,
        sum(lines) as lines,
        sum(loaded) as loaded,
        sum(rejected) as rejected,
        sum(clean) as clean,
        sum(duplicates) as duplicates,
        sum(quarantined) as quarantined,
        max(loaded_at) as last_loaded_at,
        max(newest_row_at) as newest_row_at
    from {{ ref('audit_files') }}
    group by feed

),

rejected_files as (

    select feed, count(*) as rejected_files
    from {{ ref('stg_raw__rejected_files') }}
    group by feed

)

select
    feeds.feed,
    feeds.kind,
    coalesce(files.files, 0) as files,
    {% for count in ['lines', 'loaded', 'rejected', 'clean', 'duplicates', 'quarantined'] -%}
    cast(coalesce(files.{{ count }}, 0) as {{ dbt.type_bigint() }}) as {{ count }},
    {% endfor -%}
    coalesce(rejected_files.rejected_files, 0) as rejected_files,
    files.last_loaded_at,
    files.newest_row_at
from {{ ref('stg_raw__feeds') }} as feeds
left join files on feeds.feed = files.feed
left join rejected_files on feeds.feed = rejected_files.feed
