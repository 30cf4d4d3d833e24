-- Empty and unreadable values of each column of each feed, in all loaded rows. An unknown device counts as empty.
{% set kinds = {
    'int_events_classified': [
        'event_id', 'user_id', 'product_id', 'event_type', 'event_at', 'device', 'session_id', 'transaction_id', 'quantity',
        'price',
    ],
    'int_purchases_classified': ['transaction_id', 'user_id', 'product_id', 'quantity', 'price', 'purchased_at'],
    'int_products_classified': [
        'product_id', 'product_name', 'category', 'brand', 'price', 'popularity_score', 'is_available', 'updated_at',
    ],
} %}

with
{% for model, columns in kinds.items() %}
{{ model }}_counted as (

    select
        file_loads.feed,
        {% for column in columns -%}
        count({{ "nullif(device, 'unknown')" if column == 'device' else column }}) as {{ column }},
        {% endfor -%}
        count(*) as rows
    from {{ ref(model) }} as classified
    inner join {{ ref('int_file_loads') }} as file_loads on classified._load_id = file_loads.load_id
    group by file_loads.feed

),

{% endfor -%}

final as (

    {% for model, columns in kinds.items() -%}
    {% set last_model = loop.last -%}
    {% for column in columns -%}
    select
        feed,
        '{{ column }}' as column_name,
        rows,
        rows - {{ column }} as missing
    from {{ model }}_counted
    {{ 'union all' if not (loop.last and last_model) }}
    {% endfor -%}
    {% endfor %}

)

select * from final
order by feed, missing desc, column_name
