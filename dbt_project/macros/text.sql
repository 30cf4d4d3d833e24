{#- Text without blanks around it; null when nothing is left. -#}
{% macro clean_text(column) -%}
    {{ return(adapter.dispatch('clean_text')(column)) }}
{%- endmacro %}

{% macro default__clean_text(column) -%}
    nullif(trim({{ column }}), '')
{%- endmacro %}

{#- Every blank sorts before '!', and looking at both ends costs a seventh of trimming. -#}
{% macro duckdb__clean_text(column) -%}
    case
        when
            {{ column }} < '!'
            {%- for blank in [' ', '\\t', '\\r', '\\n'] %}
            or suffix({{ column }}, e'{{ blank }}')
            {%- endfor %}
            then nullif(trim({{ column }}, e' \t\r\n'), '')
        else {{ column }}
    end
{%- endmacro %}

{#- Query: raw rows with these columns as clean texts, and where each row came from. -#}
{% macro cleaned_rows(raw, columns) -%}
    select
        {% for column in columns -%}
        {{ clean_text(column) }} as {{ column }},
        {% endfor -%}
        _extra,
        _feed,
        _file,
        _line,
        _load_id
    from {{ raw }}
{%- endmacro %}

{#- A customer's id from a clean text; spreadsheets export 17850 as 17850.0. -#}
{% macro clean_user_id(column) -%}
    case
        when {{ column }} like '%.0' then regexp_replace({{ column }}, '^([0-9]+)[.]0$', '{{ backreference(1) }}')
        else {{ column }}
    end
{%- endmacro %}

{#- How a replacement names the first (second, ...) group of a regular expression. -#}
{% macro backreference(group) -%}
    {{ return(adapter.dispatch('backreference')(group)) }}
{%- endmacro %}

{% macro default__backreference(group) -%}
    ${{ group }}
{%- endmacro %}

{% macro duckdb__backreference(group) -%}
    \{{ group }}
{%- endmacro %}

{#- What people read for a product: its name, or its brand and id when it has none. -#}
{% macro display_name(product_name, brand, product_id) -%}
    coalesce({{ product_name }}, concat_ws(' ', {{ brand }}, {{ product_id }}))
{%- endmacro %}

{#- A text to order by in which numbers count as numbers: page-2 before page-10. Every run of digits is filled up with
    zeros, then cut to its last twenty. -#}
{% macro natural_sort_key(column) -%}
    {%- set filled_up = replace_all(column, '([0-9]+)', '0' * 20 ~ backreference(1)) -%}
    {{ replace_all(filled_up, '[0-9]*([0-9]{20})', backreference(1)) }}
{%- endmacro %}

{#- The text with every match of a regular expression replaced. -#}
{% macro replace_all(column, pattern, replacement) -%}
    {{ return(adapter.dispatch('replace_all')(column, pattern, replacement)) }}
{%- endmacro %}

{% macro default__replace_all(column, pattern, replacement) -%}
    regexp_replace({{ column }}, '{{ pattern }}', '{{ replacement }}')
{%- endmacro %}

{#- DuckDB replaces the first match only, unless told otherwise. -#}
{% macro duckdb__replace_all(column, pattern, replacement) -%}
    regexp_replace({{ column }}, '{{ pattern }}', '{{ replacement }}', 'g')
{%- endmacro %}
