{% macro json_text(column, key) -%}
    {{ return(adapter.dispatch('json_text')(column, key)) }}
{%- endmacro %}

{% macro default__json_text(column, key) -%}
    get_json_object({{ column }}, '$.{{ key }}')
{%- endmacro %}

{% macro duckdb__json_text(column, key) -%}
    json_extract_string({{ column }}, '$.{{ key }}')
{%- endmacro %}

{% macro json_sorted_by_key(column) -%}
    {{ return(adapter.dispatch('json_sorted_by_key')(column)) }}
{%- endmacro %}

{% macro default__json_sorted_by_key(column) -%}
    coalesce(
        cast(array_sort(map_entries(from_json({{ column }}, 'map<string,string>'))) as {{ dbt.type_string() }}),
        {{ column }}
    )
{%- endmacro %}

{#- A text without a comma has at most one key and needs no sorting. -#}
{% macro duckdb__json_sorted_by_key(column) -%}
    case
        when contains({{ column }}, ',') then coalesce(
            cast(list_sort(map_entries(try_cast(try_cast({{ column }} as json) as map(varchar, json)))) as varchar),
            {{ column }}
        )
        else {{ column }}
    end
{%- endmacro %}

{% macro json_without_nulls(column) -%}
    {{ return(adapter.dispatch('json_without_nulls')(column)) }}
{%- endmacro %}

{% macro default__json_without_nulls(column) -%}
    case
        when {{ column }} like '%null%' then nullif(
            coalesce(
                to_json(map_filter(from_json({{ column }}, 'map<string,string>'), (key, value) -> value is not null)),
                {{ column }}
            ),
            '{}'
        )
        else {{ column }}
    end
{%- endmacro %}

{#- json_merge_patch removes keys whose value is null. -#}
{% macro duckdb__json_without_nulls(column) -%}
    case
        when contains({{ column }}, 'null') then nullif(
            coalesce(cast(json_merge_patch('{}', try_cast({{ column }} as json)) as varchar), {{ column }}),
            '{}'
        )
        else {{ column }}
    end
{%- endmacro %}

{% macro json_of_texts(conditions) -%}
    {{ return(adapter.dispatch('json_of_texts')(conditions)) }}
{%- endmacro %}

{% macro default__json_of_texts(conditions) -%}
    to_json(named_struct(
        {%- for column, condition in conditions.items() %}
        '{{ column }}', case when {{ condition }} then {{ column }}_text end{{ ',' if not loop.last }}
        {%- endfor %}
    ))
{%- endmacro %}

{% macro duckdb__json_of_texts(conditions) -%}
    cast(json_merge_patch('{}', json_object(
        {%- for column, condition in conditions.items() %}
        '{{ column }}', case when {{ condition }} then {{ column }}_text end{{ ',' if not loop.last }}
        {%- endfor %}
    )) as varchar)
{%- endmacro %}
