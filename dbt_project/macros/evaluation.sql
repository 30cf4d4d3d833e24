{% macro dcg_discount(rank) -%}
    ln(2.0) / ln({{ rank }} + 1.0)
{%- endmacro %}
