-- Number of empty and unreadable values by feed and column. Both are null in the classified models, which hold all loaded
-- rows; excluded rows are left out. An unknown device counts as empty. The product attributes that events and
-- purchases may carry are left out.
{% set columns_by_model = {
    'int_events_classified': [
        'event_id', 'user_id', 'product_id', 'event_type', 'event_at', 'device', 'session_id', 'transaction_id', 'quantity',
        'price',
    ],
    'int_purchases_classified': ['transaction_id', 'user_id', 'product_id', 'quantity', 'price', 'purchased_at'],
    'int_products_classified': [
        'product_id', 'product_name', 'category', 'brand', 'price', 'popularity_score', 'is_available', 'updated_at',
    ],
} %}

{% for model, columns in columns_by_model.items() -%}
{% set is_last_model = loop.last -%}
{% for column in columns -%}
select
    file_loads.feed,
    '{{ column }}' as column_name,
    count(*) as row_count,
    count(*) - count({{ "nullif(device, 'unknown')" if column == 'device' else column }}) as missing_count
from {{ ref(model) }} as classified
inner join {{ ref('int_file_loads') }} as file_loads on classified._load_id = file_loads.load_id
where classified.row_status != 'excluded'
group by file_loads.feed
{{ 'union all' if not (loop.last and is_last_model) }}
{% endfor -%}
{% endfor %}
order by feed, missing_count desc, column_name
