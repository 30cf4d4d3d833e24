{#- parse_number limits prices to 1e10, so 18 digits are enough. -#}
{% macro cast_to_price(expression) -%}
    cast({{ expression }} as decimal(18, 4))
{%- endmacro %}

{#- A quantity times a price can be up to 1e20, so one bad line would stop a build with 18 digits. -#}
{% macro cast_to_amount(expression) -%}
    cast({{ expression }} as decimal(38, 4))
{%- endmacro %}
