{#- Start of a version without a known start. With this value and max_valid_to, joins need no case for null. -#}
{% macro min_valid_from() -%}
    timestamp '1900-01-01'
{%- endmacro %}

{#- End of the current version. -#}
{% macro max_valid_to() -%}
    timestamp '9999-12-31'
{%- endmacro %}

{#- Whether a version was valid at a timestamp. A join of facts with dim_product_history on the product and this condition
    finds exactly one version per fact. -#}
{% macro valid_at(versions, happened_at) -%}
    {{ versions }}.valid_from <= {{ happened_at }} and {{ happened_at }} < {{ versions }}.valid_to
{%- endmacro %}

{#- Whether a version was the last one before a cutoff; a version that begins at the cutoff is not known yet. -#}
{% macro known_as_of(versions, as_of) -%}
    {{ versions }}.valid_from < {{ as_of }} and {{ as_of }} <= {{ versions }}.valid_to
{%- endmacro %}
