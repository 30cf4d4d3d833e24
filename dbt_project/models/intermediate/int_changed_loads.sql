with built_loads as (
    {% for kind in incremental_kinds() %}
    select distinct
        '{{ kind }}' as kind,
        _load_id as load_id,
        _typing_fingerprint as typing_fingerprint
    from ({{ built_rows(kind, ['_load_id', '_typing_fingerprint']) }}) as {{ kind }}
    {{ 'union all' if not loop.last }}
    {% endfor %}
),

current_loads as (

    -- The rows of joined files are not in the classified tables. When they change, so does the typing fingerprint of their
    -- feed.
    select * from {{ ref('int_file_loads') }}
    where kind in ({{ quoted_list(incremental_kinds()) }}) and joined_to is null

)

select
    coalesce(current_loads.kind, built_loads.kind) as kind,
    coalesce(current_loads.load_id, built_loads.load_id) as load_id,
    case
        when built_loads.load_id is null then 'file loaded'
        when current_loads.load_id is null then 'file replaced or removed'
        else 'declaration changed'
    end as reason
from current_loads
full outer join built_loads on current_loads.load_id = built_loads.load_id
where
    built_loads.load_id is null
    or current_loads.load_id is null
    or current_loads.typing_fingerprint != built_loads.typing_fingerprint
