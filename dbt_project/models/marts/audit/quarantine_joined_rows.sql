{{ config(materialized='view') }}

{% for kind in ['events', 'purchases', 'products'] -%}
select
    raw_rows._feed,
    raw_rows._file,
    raw_rows._line,
    joined_rows.reasons,
    {{ raw_row_json('raw_rows', raw_columns(kind)) }} as raw_row
from {{ ref('int_joined_rows_classified') }} as joined_rows
inner join {{ ref('stg_raw__' ~ kind) }} as raw_rows
    on joined_rows._load_id = raw_rows._load_id
    and joined_rows._line = raw_rows._line
where joined_rows.row_status = 'quarantined'
{{ 'union all' if not loop.last }}
{% endfor %}
