{#- A user name before an @ can show another shop's address. Front ends put addresses into HTML, so quotes, brackets and
    backslashes are no part of one. -#}
{% macro parse_url(column, feeds) -%}
    {%- if not mapped_columns([column.split('.') | last], feeds) -%}
    cast(null as {{ dbt.type_string() }})
    {%- else -%}
    case when length({{ column }}) <= 2000 and {{ is_url(column) }} then {{ column }} end
    {%- endif -%}
{%- endmacro %}

{% macro is_url(text) -%}
    {{ return(adapter.dispatch('is_url')(text)) }}
{%- endmacro %}

{% macro default__is_url(text) -%}
    regexp_replace({{ text }}, '^{{ url_pattern() }}$', '') = ''
{%- endmacro %}

{% macro duckdb__is_url(text) -%}
    regexp_full_match({{ text }}, '{{ url_pattern() }}')
{%- endmacro %}

{#- dbt splits the statements of unit tests at semicolons, so the pattern has its code. -#}
{% macro url_pattern() -%}
    {%- set letters = '\\p{L}\\p{M}\\p{N}' -%}
    (?i)https?://[{{ letters }}][{{ letters }}.-]*(:[0-9]+)?([/?#][{{ letters }}._~:/?#@!$&()*+,\x3B=%|-]*)?
{%- endmacro %}
