{% macro json_text(column, key) -%}
    {{ return(adapter.dispatch('json_text')(column, key)) }}
{%- endmacro %}

{% macro default__json_text(column, key) -%}
    get_json_object({{ column }}, '$.{{ key }}')
{%- endmacro %}

{% macro duckdb__json_text(column, key) -%}
    json_extract_string({{ column }}, '$.{{ key }}')
{%- endmacro %}

{% macro json_path_text(column, keys) -%}
    {{ return(adapter.dispatch('json_path_text')(column, keys)) }}
{%- endmacro %}

{% macro default__json_path_text(column, keys) -%}
    get_json_object({{ column }}, {{ quote("$['" ~ keys | join("']['") ~ "']") }})
{%- endmacro %}

{#- A JSON pointer, in which a key can have any characters. -#}
{% macro duckdb__json_path_text(column, keys) -%}
    {%- set steps = [] -%}
    {%- for key in keys -%}
        {%- do steps.append(key | replace('~', '~0') | replace('/', '~1')) -%}
    {%- endfor -%}
    json_extract_string({{ column }}, {{ quote('/' ~ steps | join('/')) }})
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

{% macro json_merged(column, other_column) -%}
    {{ return(adapter.dispatch('json_merged')(column, other_column)) }}
{%- endmacro %}

{% macro default__json_merged(column, other_column) -%}
    {%- set values -%}
    map_filter(
        coalesce(from_json({{ column }}, 'map<string,string>'), map()), (key, value) -> trim(value) != ''
    )
    {%- endset -%}
    to_json(map_concat(
        map_filter(
            coalesce(from_json({{ other_column }}, 'map<string,string>'), map()),
            (key, value) -> not array_contains(map_keys({{ values }}), key)
        ),
        {{ values }}
    ))
{%- endmacro %}

{#- An empty text is a missing value. A quote within a text has a backslash before it, so no text has the pattern of a key
    with an empty text. A null in the second argument of json_merge_patch would remove the key. -#}
{% macro duckdb__json_merged(column, other_column) -%}
    {%- set without_empty_texts = "regexp_replace(" ~ column ~ ", '([^\\\\]\": *)\" *\"', '\\1null', 'g')" -%}
    case
        when {{ other_column }} is null then {{ column }}
        when {{ column }} is null then {{ other_column }}
        else cast(json_merge_patch(
            {{ other_column }}, coalesce({{ json_without_nulls(without_empty_texts) }}, '{}')
        ) as varchar)
    end
{%- endmacro %}

{#- Without the values that are null. -#}
{% macro json_of_values(values) -%}
    {{ return(adapter.dispatch('json_of_values')(values)) }}
{%- endmacro %}

{% macro default__json_of_values(values) -%}
    to_json(named_struct(
        {%- for name, value in values.items() %}
        {{ quote(name) }}, {{ value }}{{ ',' if not loop.last }}
        {%- endfor %}
    ))
{%- endmacro %}

{% macro duckdb__json_of_values(values) -%}
    cast(json_merge_patch('{}', json_object(
        {%- for name, value in values.items() %}
        {{ quote(name) }}, {{ value }}{{ ',' if not loop.last }}
        {%- endfor %}
    )) as varchar)
{%- endmacro %}

{#- Null for a text that is no JSON list. -#}
{% macro json_list_texts(column) -%}
    {{ return(adapter.dispatch('json_list_texts')(column)) }}
{%- endmacro %}

{% macro default__json_list_texts(column) -%}
    from_json({{ column }}, 'array<string>')
{%- endmacro %}

{% macro duckdb__json_list_texts(column) -%}
    case
        when json_valid({{ column }}) and json_type({{ column }}) = 'ARRAY'
            then json_extract_string({{ column }}, '$[*]')
    end
{%- endmacro %}

{#- Null for a text that is no JSON list of numbers. -#}
{% macro json_list_numbers(column) -%}
    {{ return(adapter.dispatch('json_list_numbers')(column)) }}
{%- endmacro %}

{% macro default__json_list_numbers(column) -%}
    try_cast({{ json_list_texts(column) }} as array<double>)
{%- endmacro %}

{% macro duckdb__json_list_numbers(column) -%}
    try_cast({{ json_list_texts(column) }} as double[])
{%- endmacro %}

{% macro list_length(list) -%}
    {{ return(adapter.dispatch('list_length')(list)) }}
{%- endmacro %}

{% macro default__list_length(list) -%}
    size({{ list }})
{%- endmacro %}

{% macro duckdb__list_length(list) -%}
    len({{ list }})
{%- endmacro %}
