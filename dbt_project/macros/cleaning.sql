{#- Null words of numbers, times and devices are looked for where a text was not understood, which is rare. Only a word
    with a digit, such as -1, could be understood. Joins, conditions and filling down need all of them. A column that no
    feed maps is null and costs nothing. -#}
{% macro cleaned_rows(raw, columns, feeds) -%}
    {%- set mapped = mapped_columns(columns, feeds) -%}
    {%- set ids = mapped | select('in', [
        'user_id', 'product_id', 'transaction_id', 'session_id', 'event_id', 'impression_id', 'recommendation_id',
    ]) | list -%}
    {%- set typed_columns = [
        'event_at', 'purchased_at', 'updated_at', 'seen_at', 'published_at', 'served_at', 'device', 'quantity', 'price',
        'line_total', 'popularity_score', 'margin', 'position',
    ] -%}
    {%- set are_texts_read = is_declared(feeds, 'join_key') or is_declared(feeds, 'fill_down')
        or is_declared(feeds, 'where') or is_declared(feeds, 'leave_out') or is_declared(feeds, 'is_return') -%}
    select
        {% for column in columns -%}
        {%- if column not in mapped -%}
        cast(null as {{ dbt.type_string() }}) as {{ column }},
        {% elif column in ids -%}
        case when has_unusual_id then {{ cleaned_unusual_id(column, feeds) }} else {{ column }} end as {{ column }},
        {% else -%}
        {{ null_if_word(column, column, feeds, with_digits_only=column in typed_columns and not are_texts_read) }}
            as {{ column }},
        {% endif -%}
        {% endfor -%}
        {{ ids_to_keep(ids, is_rounded_id) }} as rounded_ids,
        {{ ids_to_keep(ids, is_nested) }} as nested_ids,
        _extra, _feed, _file, _line, _load_id
    from (
        select
            {% for column in mapped -%}
            {{ column if column in ids else clean_text(column) ~ ' as ' ~ column }},
            {% endfor -%}
            {{ is_any_id_unusual(ids, feeds) if ids else 'false' }} as has_unusual_id,
            _extra, _feed, _file, _line, _load_id
        from {{ raw }}
    ) as trimmed
{%- endmacro %}

{#- Unit tests declare feeds without columns; then all are mapped. -#}
{% macro mapped_columns(columns, feeds) -%}
    {%- set names = [] -%}
    {%- for feed in feeds -%}
        {%- do names.extend(feed.columns or columns) -%}
    {%- endfor -%}
    {{ return(columns | select('in', names) | list) }}
{%- endmacro %}

{#- Includes no-break blanks, zero-width blanks and the byte order mark. -#}
{% macro trim_blanks(text) -%}
    {{ return(adapter.dispatch('trim_blanks')(text)) }}
{%- endmacro %}

{% macro default__trim_blanks(text) -%}
    trim({{ text }})
{%- endmacro %}

{% macro duckdb__trim_blanks(text) -%}
    {%- set blanks = '[\\p{Z}\\p{Cc}\\p{Cf}]+' -%}
    regexp_replace({{ text }}, '^{{ blanks }}|{{ blanks }}$', '', 'g')
{%- endmacro %}
