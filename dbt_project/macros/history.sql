{#- Where the period of a version begins that was true since before anybody says when. Together with the end below it
    makes a join by plain comparisons possible, without a case for null. -#}
{% macro min_valid_from() -%}
    timestamp '1900-01-01'
{%- endmacro %}

{#- Where the period of a version ends that is still true. -#}
{% macro max_valid_to() -%}
    timestamp '9999-12-31'
{%- endmacro %}

{#- Whether a version was true at an instant: join dim_product_history on the product and on this, and every fact meets
    the one version that held when it happened. -#}
{% macro valid_at(versions, instant) -%}
    {{ versions }}.valid_from <= {{ instant }} and {{ instant }} < {{ versions }}.valid_to
{%- endmacro %}

{#- Whether a version is what was known as of an instant, of which features see nothing at or after it. -#}
{% macro known_as_of(versions, instant) -%}
    {{ versions }}.valid_from < {{ instant }} and {{ instant }} <= {{ versions }}.valid_to
{%- endmacro %}
