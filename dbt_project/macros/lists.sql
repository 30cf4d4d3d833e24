{#- Position in a list, from 1; null for a value that is not in it. -#}
{% macro list_rank(list, value) -%}
    {{ return(adapter.dispatch('list_rank')(list, value)) }}
{%- endmacro %}

{% macro default__list_rank(list, value) -%}
    nullif(array_position({{ list }}, {{ value }}), 0)
{%- endmacro %}

{% macro duckdb__list_rank(list, value) -%}
    list_position({{ list }}, {{ value }})
{%- endmacro %}

{% macro list_item(list, rank) -%}
    {{ return(adapter.dispatch('list_item')(list, rank)) }}
{%- endmacro %}

{% macro default__list_item(list, rank) -%}
    try_element_at({{ list }}, cast({{ rank }} as int))
{%- endmacro %}

{% macro duckdb__list_item(list, rank) -%}
    list_extract({{ list }}, {{ rank }})
{%- endmacro %}

{% macro list_ranks(list) -%}
    {{ return(adapter.dispatch('list_ranks')(list)) }}
{%- endmacro %}

{% macro default__list_ranks(list) -%}
    explode(case when size({{ list }}) > 0 then sequence(1, size({{ list }})) end)
{%- endmacro %}

{% macro duckdb__list_ranks(list) -%}
    unnest(generate_series(1, len({{ list }})))
{%- endmacro %}
