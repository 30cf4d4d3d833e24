{#- Schemas have their plain names (staging, marts, ...) instead of dbt's default <target>_<name>. -#}
{% macro generate_schema_name(custom_schema_name, node) -%}
    {{ (custom_schema_name or target.schema) | trim }}
{%- endmacro %}
