{#- dbt has no hash of macros, so the macros' SQL is read from the Jinja context. The lists grow while they are walked. -#}
{% macro sql_version() -%}
    {%- if not execute -%}
        {{ return(0) }}
    {%- endif -%}
    {%- set node_ids, macro_ids, sql = ['model.' ~ project_name ~ '.' ~ this.identifier], [], [] -%}
    {%- for node_id in node_ids if node_id in graph.nodes and node_id.startswith('model.') -%}
        {%- set node = graph.nodes[node_id] -%}
        {%- do sql.append(node.raw_code) -%}
        {%- do node_ids.extend(node.depends_on.nodes | reject('in', node_ids)) -%}
        {%- do macro_ids.extend(node.depends_on.macros | reject('in', macro_ids)) -%}
    {%- endfor -%}
    {%- for macro_id in macro_ids if macro_id.startswith('macro.' ~ project_name ~ '.') -%}
        {%- set macro = context[project_name][macro_id.split('.')[2]].macro -%}
        {%- do sql.append(macro.macro_sql) -%}
        {%- do macro_ids.extend(macro.depends_on.macros | reject('in', macro_ids)) -%}
    {%- endfor -%}
    {#- Twelve hexadecimal digits fit a bigint. -#}
    {{ return(local_md5(sql | sort | join)[:12] | int(base=16)) }}
{%- endmacro %}
