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

{#- Two hashes of 64 bits, the second of the columns behind one more: a sixth of the time that MD5 takes. -#}
{% macro duckdb__fingerprint(columns) -%}
    hash({{ columns | join(', ') }}) * cast(18446744073709551616 as uhugeint) + hash('second', {{ columns | join(', ') }})
{%- endmacro %}

{#- CTEs, the last of them 'duplicate_rows': the rows (_load_id, _line) of a relation that say in these columns and in _extra,
    in whatever order the file has them, what an earlier row of the same feed says; an undeclared column without a value
    says nothing. The relation is read twice, as cheap as that is for a view, so that no wide rows need to be kept. -#}
{% macro duplicate_rows(rows, columns) -%}
rows_with_fingerprint as (

    select
        rows._line,
        rows._load_id,
        file_loads.path,
        {{ fingerprint(
            ['file_loads.feed', json_sorted_by_key(json_without_nulls('rows._extra'))] + columns
        ) }} as fingerprint
    from {{ rows }} as rows
    inner join {{ ref('int_file_loads') }} as file_loads on rows._load_id = file_loads.load_id

),

repeated_fingerprints as (

    select fingerprint from rows_with_fingerprint
    group by fingerprint
    having count(*) > 1

),

-- Only what is repeated needs sorting, which is little.
numbered_copies as (

    select
        rows_with_fingerprint._load_id,
        rows_with_fingerprint._line,
        row_number() over (
            partition by rows_with_fingerprint.fingerprint
            order by rows_with_fingerprint.path, rows_with_fingerprint._line
        ) as copy_number
    from rows_with_fingerprint
    inner join repeated_fingerprints on rows_with_fingerprint.fingerprint = repeated_fingerprints.fingerprint

),

duplicate_rows as (

    select _load_id, _line from numbered_copies
    where copy_number > 1

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

{#- Aggregate: a text that is the same only for the same set of rows, in whatever order they come. -#}
{% macro rows_fingerprint(columns) -%}
    {{ return(adapter.dispatch('rows_fingerprint')(columns)) }}
{%- endmacro %}

{% macro default__rows_fingerprint(columns) -%}
    cast(sum(cast(xxhash64({{ columns | join(', ') }}) as decimal(38, 0))) as {{ dbt.type_string() }})
{%- endmacro %}

{% macro duckdb__rows_fingerprint(columns) -%}
    cast(sum(hash({{ columns | join(', ') }})) as varchar)
{%- endmacro %}

{#- The columns of a raw row as one JSON object with their own texts, nulls and undeclared columns included. -#}
{% macro raw_row_json(raw, columns) -%}
    {{ return(adapter.dispatch('raw_row_json')(raw, columns)) }}
{%- endmacro %}

{% macro default__raw_row_json(raw, columns) -%}
    to_json(named_struct(
        {%- for column in columns + ['_extra'] %}
        '{{ column }}', {{ raw }}.{{ column }}{{ ',' if not loop.last }}
        {%- endfor %}
    ), map('ignoreNullFields', 'false'))
{%- endmacro %}

{% macro duckdb__raw_row_json(raw, columns) -%}
    cast(json_object(
        {%- for column in columns %}
        '{{ column }}', {{ raw }}.{{ column }},
        {%- endfor %}
        '_extra', try_cast({{ raw }}._extra as json)
    ) as varchar)
{%- endmacro %}
