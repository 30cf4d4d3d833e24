{#- The order of rows differs between parallel runs. With decimals, the same rows give the same sum and the same dataset
    hash. -#}
{% macro cast_to_decimal(expression) -%}
    cast({{ expression }} as decimal(38, 12))
{%- endmacro %}

{% macro exact_sum(expression) -%}
    cast(coalesce(sum({{ cast_to_decimal(expression) }}), 0) as {{ type_double() }})
{%- endmacro %}

{% macro safe_divide(numerator, denominator) -%}
    (cast({{ numerator }} as {{ type_double() }}) / nullif({{ denominator }}, 0))
{%- endmacro %}

{#- Rounding makes the variance of equal numbers negative at times. greatest would turn null into 0. -#}
{% macro not_negative(expression) -%}
    case when {{ expression }} < 0 then 0 else {{ expression }} end
{%- endmacro %}

{% macro log2_bin(column) -%}
    cast(floor(log2({{ column }})) as integer)
{%- endmacro %}

{% macro format_percent(share) -%}
    concat(cast(100 * {{ share }} as decimal(5, 1)), ' %')
{%- endmacro %}
