{% macro clean_text(column) -%}
    {{ return(adapter.dispatch('clean_text')(column)) }}
{%- endmacro %}

{% macro default__clean_text(column) -%}
    nullif(trim({{ column }}), '')
{%- endmacro %}

{#- All blanks sort before '!'. Checking both ends takes a seventh of the time of trimming. -#}
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

{% macro backreference(group) -%}
    {{ return(adapter.dispatch('backreference')(group)) }}
{%- endmacro %}

{% macro default__backreference(group) -%}
    ${{ group }}
{%- endmacro %}

{% macro duckdb__backreference(group) -%}
    \{{ group }}
{%- endmacro %}

{#- Every run of digits is padded with zeros and cut to its last twenty digits. -#}
{% macro natural_sort_key(column) -%}
    {%- set padded = replace_all(column, '([0-9]+)', '0' * 20 ~ backreference(1)) -%}
    {{ replace_all(padded, '[0-9]*([0-9]{20})', backreference(1)) }}
{%- endmacro %}

{% macro replace_all(column, pattern, replacement) -%}
    {{ return(adapter.dispatch('replace_all')(column, pattern, replacement)) }}
{%- endmacro %}

{% macro default__replace_all(column, pattern, replacement) -%}
    regexp_replace({{ column }}, '{{ pattern }}', '{{ replacement }}')
{%- endmacro %}

{#- Without the option 'g', DuckDB replaces only the first match. -#}
{% macro duckdb__replace_all(column, pattern, replacement) -%}
    regexp_replace({{ column }}, '{{ pattern }}', '{{ replacement }}', 'g')
{%- endmacro %}

{% macro quote(text) -%}
    '{{ text | replace("'", "''") }}'
{%- endmacro %}

{% macro quoted_list(texts) -%}
    {%- for text in texts -%}
    {{ quote(text) }}{{ ', ' if not loop.last }}
    {%- endfor -%}
{%- endmacro %}
