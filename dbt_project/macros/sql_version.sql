{#- dbt has no hash of macros, so the macros' SQL is read from the Jinja context. The lists grow while they are walked. -#}
{% macro sql_version() -%}
    {%- set node_ids, macro_ids, sql = [model.unique_id], [], [] -%}
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
    {{ return(local_md5(sql | sort | join)) }}
{%- endmacro %}

{#- The post-hook of all models keeps the version in the comment of the built table, in the transaction of the build. -#}
{% macro store_sql_version() -%}
    {%- if execute and model.config.materialized == 'incremental' -%}
        comment on table {{ this }} is 'sql_version {{ sql_version() }}'
    {%- endif -%}
{%- endmacro %}

{% macro has_current_sql() -%}
    {{ return(adapter.dispatch('has_current_sql')()) }}
{%- endmacro %}

{% macro duckdb__has_current_sql() -%}
    {%- set query -%}
    select count(*) from duckdb_tables()
    where
        database_name = {{ quote(this.database) }}
        and schema_name = {{ quote(this.schema) }}
        and table_name = {{ quote(this.identifier) }}
        and comment = 'sql_version {{ sql_version() }}'
    {%- endset -%}
    {{ return(run_query(query).rows[0][0] > 0) }}
{%- endmacro %}
