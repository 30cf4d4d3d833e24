{#- With bounds instead of nulls, joins need no case for null. -#}
{% macro min_valid_from() -%}
    timestamp '1900-01-01'
{%- endmacro %}

{% macro max_valid_to() -%}
    timestamp '9999-12-31'
{%- endmacro %}

{% macro valid_at(versions, happened_at) -%}
    {{ versions }}.valid_from <= {{ happened_at }} and {{ happened_at }} < {{ versions }}.valid_to
{%- endmacro %}

{% macro known_as_of(versions, as_of) -%}
    {{ versions }}.valid_from < {{ as_of }} and {{ as_of }} <= {{ versions }}.valid_to
{%- endmacro %}
