{#- Schemas carry their plain names (staging, marts, ...), not dbt's default of target_custom. -#}
{% macro generate_schema_name(custom_schema_name, node) -%}
    {{ (custom_schema_name or target.schema) | trim }}
{%- endmacro %}
