{#- The columns that the project's yml files mark with contains_pii, of models, seeds, snapshots and sources. -#}
{% macro pii_columns() -%}
    {%- set columns = [] -%}
    {%- if execute -%}
        {%- set nodes = graph.nodes.values() | selectattr('resource_type', 'in', ['model', 'seed', 'snapshot']) | list -%}
        {%- for node in nodes + graph.sources.values() | list -%}
            {%- for column in node.columns.values() if column.config.meta.contains_pii or column.meta.contains_pii -%}
                {%- do columns.append({
                    'schema_name': node.schema,
                    'table_name': node.alias or node.identifier,
                    'column_name': column.name,
                    'description': column.description | trim,
                }) -%}
            {%- endfor -%}
        {%- endfor -%}
    {%- endif -%}
    {{ return(columns) }}
{%- endmacro %}
