{% macro is_nested(text) -%}
    {{ return(adapter.dispatch('is_nested')(text)) }}
{%- endmacro %}

{% macro default__is_nested(text) -%}
    {{ text }} like {{ "'{%}'" }} or {{ text }} like '[%]'
{%- endmacro %}

{% macro duckdb__is_nested(text) -%}
    (prefix({{ text }}, '{') or prefix({{ text }}, '[')) and json_valid({{ text }})
{%- endmacro %}

{#- Building the JSON object of every row would take longer than typing it. -#}
{% macro texts_to_keep(conditions) -%}
    {%- set texts = {} -%}
    {%- for column, condition in conditions.items() -%}
        {%- do texts.update({column: 'case when ' ~ condition ~ ' then ' ~ column ~ '_text end'}) -%}
    {%- endfor -%}
    case
        when ({{ conditions.values() | join(') or (') }})
            then {{ json_of_values(texts) }}
    end
{%- endmacro %}

{% macro text_or_null(column) -%}
    case when {{ is_nested(column ~ '_text') }} then null else {{ column }}_text end
{%- endmacro %}

{% macro unreadable_text(column, feeds, value=none) -%}
    case when {{ value or column }} is null then {{ null_if_word(column ~ '_text', column, feeds) }} end
{%- endmacro %}
