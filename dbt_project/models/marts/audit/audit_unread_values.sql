{% set columns = {
    'events': {
        'ids': ['event_id', 'user_id', 'product_id', 'session_id', 'transaction_id'],
        'unreadable': ['event_type', 'event_at', 'quantity', 'price', 'currency'],
        'unread': ['device', 'product_name', 'category', 'brand'],
    },
    'purchases': {
        'ids': ['transaction_id', 'user_id', 'product_id'],
        'unreadable': ['quantity', 'price', 'currency', 'purchased_at'],
        'unread': ['device', 'product_name', 'category', 'brand'],
    },
    'products': {
        'ids': ['product_id'],
        'unreadable': ['price', 'currency'],
        'unread': [
            'product_name', 'category', 'brand', 'popularity_score', 'is_available', 'updated_at', 'margin',
            'product_url', 'image_url', 'currency',
        ],
    },
    'impressions': {
        'ids': ['impression_id', 'user_id', 'product_id', 'session_id', 'recommendation_id'],
        'unreadable': ['position', 'seen_at'],
        'unread': ['placement'],
    },
    'recommendation_lists': {
        'ids': ['user_id'],
        'unreadable': ['published_at', 'product_ids'],
        'unread': [],
    },
    'served_lists': {
        'ids': ['recommendation_id', 'user_id', 'session_id'],
        'unreadable': ['served_at', 'product_ids'],
        'unread': [],
    },
} %}

with unread_texts as (

    {% for kind, groups in columns.items() -%}
    {% for column in groups.unreadable -%}
    select _load_id, '{{ column }}' as column_name, unreadable_{{ column }} as text
    from {{ ref('int_' ~ kind ~ '_classified') }}
    where unreadable_{{ column }} is not null and row_status != 'excluded'
    union all
    {% endfor -%}
    {% for column in groups.unread -%}
    select _load_id, '{{ column }}' as column_name, {{ json_text('unread_values', column) }} as text
    from {{ ref('int_' ~ kind ~ '_classified') }}
    where unread_values is not null and row_status != 'excluded'
    union all
    {% endfor -%}
    {% set kind_loop = loop -%}
    {% for column in groups.ids -%}
    select
        _load_id,
        '{{ column }}' as column_name,
        coalesce({{ json_text('rounded_ids', column) }}, {{ json_text('nested_ids', column) }}) as text
    from {{ ref('int_' ~ kind ~ '_classified') }}
    where (rounded_ids is not null or nested_ids is not null) and row_status != 'excluded'
    {{ 'union all' if not (loop.last and kind_loop.last) }}
    {% endfor -%}
    {% endfor %}
),

value_counts as (

    select
        file_loads.feed,
        unread_texts.column_name,
        substring(unread_texts.text, 1, 200) as value,
        count(*) as rows
    from unread_texts
    inner join {{ ref('int_file_loads') }} as file_loads on unread_texts._load_id = file_loads.load_id
    where unread_texts.text is not null
    group by file_loads.feed, unread_texts.column_name, substring(unread_texts.text, 1, 200)

),

ranked_values as (

    select
        *,
        row_number() over (partition by feed, column_name order by value_counts.rows desc, value) as frequency_rank
    from value_counts

)

select
    feed,
    column_name,
    case when frequency_rank <= {{ var('max_unread_values') }} then value end as value,
    cast(sum(rows) as {{ dbt.type_bigint() }}) as rows
from ranked_values
group by feed, column_name, case when frequency_rank <= {{ var('max_unread_values') }} then value end
