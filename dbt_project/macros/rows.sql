{#- One value that two rows share only when all these columns are equal, nulls included: narrower to group by than the
    columns themselves. -#}
{% macro fingerprint(columns) -%}
    {{ return(adapter.dispatch('fingerprint')(columns)) }}
{%- endmacro %}

{% macro default__fingerprint(columns) -%}
    md5(concat(
        {%- for column in columns %}
        coalesce(cast({{ column }} as {{ dbt.type_string() }}), chr(30)){{ ', chr(31),' if not loop.last }}
        {%- endfor %}
    ))
{%- endmacro %}

{% macro duckdb__fingerprint(columns) -%}
    md5_number(concat(
        {%- for column in columns %}
        coalesce(cast({{ column }} as varchar), chr(30)){{ ', chr(31),' if not loop.last }}
        {%- endfor %}
    ))
{%- endmacro %}

{#- The names of the broken rules, sorted and joined by ';', or null when the row keeps them all. -#}
{% macro broken_rules(rules) -%}
    nullif(concat_ws(';'
        {%- for name, is_broken in rules.items() | sort %},
        case when {{ is_broken }} then '{{ name }}' end
        {%- endfor %}
    ), '')
{%- endmacro %}

{#- One row for each part of a ';'-joined text, as an expression of a select list. -#}
{% macro split_to_rows(column) -%}
    {{ return(adapter.dispatch('split_to_rows')(column)) }}
{%- endmacro %}

{% macro default__split_to_rows(column) -%}
    explode(split({{ column }}, ';'))
{%- endmacro %}

{% macro duckdb__split_to_rows(column) -%}
    unnest(string_split({{ column }}, ';'))
{%- endmacro %}

{#- Aggregate: the value of the row with the highest order among the rows that have a value. -#}
{% macro latest(column, order_column) -%}
    {{ return(adapter.dispatch('latest')(column, order_column)) }}
{%- endmacro %}

{% macro default__latest(column, order_column) -%}
    max_by({{ column }}, case when {{ column }} is not null then {{ order_column }} end)
{%- endmacro %}

{% macro duckdb__latest(column, order_column) -%}
    arg_max({{ column }}, {{ order_column }})
{%- endmacro %}
