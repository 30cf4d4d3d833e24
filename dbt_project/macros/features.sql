{#- Days from one instant to a later one, with fractions. -#}
{% macro days_between(earlier, later) -%}
    {{ dbt.datediff(earlier, later, 'second') }} / 86400.0
{%- endmacro %}

{#- What is left at as_of of something that halves every half_life_days. -#}
{% macro decay(happened_at, as_of, half_life_days) -%}
    power(0.5, {{ days_between(happened_at, as_of) }} / {{ half_life_days }})
{%- endmacro %}

{#- A number to be summed. Sums of decimals do not depend on the order of the rows, which is another in every parallel
    run: the same rows give the same bits, hence the same dataset hash. -#}
{% macro exact(expression) -%}
    cast({{ expression }} as decimal(38, 12))
{%- endmacro %}

{#- Aggregate: the sum as a double, the same in every run. -#}
{% macro exact_sum(expression) -%}
    cast(coalesce(sum({{ exact(expression) }}), 0) as {{ type_double() }})
{%- endmacro %}

{#- The value of a key in a JSON text, as text; null when the key is absent. -#}
{% macro json_text(column, key) -%}
    {{ return(adapter.dispatch('json_text')(column, key)) }}
{%- endmacro %}

{% macro default__json_text(column, key) -%}
    get_json_object({{ column }}, '$.{{ key }}')
{%- endmacro %}

{% macro duckdb__json_text(column, key) -%}
    json_extract_string({{ column }}, '$.{{ key }}')
{%- endmacro %}

{#- A JSON object as a text that is the same whatever the order of its keys; what is no object stays as it is. -#}
{% macro json_in_key_order(column) -%}
    {{ return(adapter.dispatch('json_in_key_order')(column)) }}
{%- endmacro %}

{% macro default__json_in_key_order(column) -%}
    coalesce(
        cast(array_sort(map_entries(from_json({{ column }}, 'map<string,string>'))) as {{ dbt.type_string() }}),
        {{ column }}
    )
{%- endmacro %}

{% macro duckdb__json_in_key_order(column) -%}
    coalesce(
        cast(list_sort(map_entries(try_cast(try_cast({{ column }} as json) as map(varchar, json)))) as varchar),
        {{ column }}
    )
{%- endmacro %}

{#- The say of a hit at this 1-based rank in a discounted cumulative gain. -#}
{% macro discount(rank) -%}
    ln(2.0) / ln({{ rank }} + 1.0)
{%- endmacro %}

{#- The step of a positive number on a scale whose steps double: n for 2^n up to, not including, 2^(n+1). -#}
{% macro doubling_step(column) -%}
    cast(floor(log2({{ column }})) as integer)
{%- endmacro %}
