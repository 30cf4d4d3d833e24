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

{#- CTEs, the last of them 'numbered': the rows of a CTE with their copy_number, which is 1 for the first row of a feed
    that says this in these columns and in _extra, in whatever order its file has them, and counts up for its repeats. -#}
{% macro copies_numbered(rows, columns) -%}
fingerprinted as (

    select
        *,
        {{ fingerprint(['_feed', json_in_key_order('_extra')] + columns) }} as fingerprint
    from {{ rows }}

),

repeated as (

    select fingerprint from fingerprinted
    group by fingerprint
    having count(*) > 1

),

-- Only what is repeated needs sorting, which is little.
copies as (

    select
        fingerprinted._feed,
        fingerprinted._file,
        fingerprinted._line,
        row_number() over (
            partition by fingerprinted.fingerprint
            order by fingerprinted._file, fingerprinted._line
        ) as copy_number
    from fingerprinted
    inner join repeated on fingerprinted.fingerprint = repeated.fingerprint

),

numbered as (

    select
        fingerprinted.*,
        coalesce(copies.copy_number, 1) as copy_number
    from fingerprinted
    left join copies
        on fingerprinted._feed = copies._feed
        and fingerprinted._file = copies._file
        and fingerprinted._line = copies._line

)
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

{#- The columns of a raw row as one JSON object with their own texts, nulls and undeclared columns included. -#}
{% macro raw_row(raw, columns) -%}
    {{ return(adapter.dispatch('raw_row')(raw, columns)) }}
{%- endmacro %}

{% macro default__raw_row(raw, columns) -%}
    to_json(named_struct(
        {%- for column in columns + ['_extra'] %}
        '{{ column }}', {{ raw }}.{{ column }}{{ ',' if not loop.last }}
        {%- endfor %}
    ), map('ignoreNullFields', 'false'))
{%- endmacro %}

{% macro duckdb__raw_row(raw, columns) -%}
    cast(json_object(
        {%- for column in columns %}
        '{{ column }}', {{ raw }}.{{ column }},
        {%- endfor %}
        '_extra', try_cast({{ raw }}._extra as json)
    ) as varchar)
{%- endmacro %}
