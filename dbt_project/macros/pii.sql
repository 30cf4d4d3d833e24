{#- Columns of the project's yml files, of models, seeds, snapshots and sources: those that contains_pii marks, or those that it
    does not mark although their names match pii_name_pattern(). -#}
{% macro pii_columns(is_marked=true) -%}
    {%- set columns = [] -%}
    {%- if execute -%}
        {%- set nodes = graph.nodes.values() | selectattr('resource_type', 'in', ['model', 'seed', 'snapshot']) | list -%}
        {%- for node in nodes + graph.sources.values() | list -%}
            {%- for column in node.columns.values() -%}
                {%- set has_mark = column.config.meta.contains_pii or column.meta.contains_pii or false -%}
                {%- if has_mark == is_marked and (is_marked or modules.re.search(pii_name_pattern(), column.name | lower)) -%}
                    {%- do columns.append({
                        'schema_name': node.schema,
                        'table_name': node.alias or node.identifier,
                        'column_name': column.name,
                        'description': column.description | trim,
                    }) -%}
                {%- endif -%}
            {%- endfor -%}
        {%- endfor -%}
    {%- endif -%}
    {{ return(columns) }}
{%- endmacro %}

{#- Names of columns with data of single customers. _extra has unmapped values. -#}
{% macro pii_name_pattern() -%}
    {{ return(
        '^(user_id|session_id|transaction_id|_extra|raw_row|unread_values|rounded_ids|nested_ids|unreadable_.*)$'
        ~ '|(^|_)(e_?mail|phone|address|birth|birthday|birthdate|(first|last|full|user|customer)_?name|surname)(_|$)'
    ) }}
{%- endmacro %}
