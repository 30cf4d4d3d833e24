{{ config(materialized='view') }}
{% set columns_by_kind = {
    'events': [
        'event_id', 'user_id', 'product_id', 'event_type', 'event_at', 'device', 'session_id', 'transaction_id',
        'quantity', 'price', 'line_total', 'currency', 'product_name', 'category', 'brand',
    ],
    'purchases': [
        'transaction_id', 'user_id', 'product_id', 'quantity', 'price', 'line_total', 'currency', 'purchased_at',
        'product_name', 'category', 'brand',
    ],
    'products': [
        'product_id', 'product_name', 'category', 'brand', 'price', 'currency', 'popularity_score', 'is_available',
        'updated_at',
    ],
} %}

{% for kind, columns in columns_by_kind.items() -%}
select
    raw_rows._feed,
    raw_rows._file,
    raw_rows._line,
    joined_rows.reasons,
    {{ raw_row_json('raw_rows', columns) }} as raw_row
from {{ ref('int_joined_rows_classified') }} as joined_rows
inner join {{ ref('stg_raw__' ~ kind) }} as raw_rows
    on joined_rows._load_id = raw_rows._load_id
    and joined_rows._line = raw_rows._line
where joined_rows.row_status = 'quarantined'
{{ 'union all' if not loop.last }}
{% endfor %}
