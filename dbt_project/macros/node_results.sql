{#- gates.node_results has the last result of each model, seed, snapshot and blocking test; by it, later steps refuse to
    read tables. dbt calls mark_due_nodes before a command and record_node_results after it, so the nodes of a killed
    command stay due. -#}
{% macro node_results() -%}
    {{ target.database }}.gates.node_results
{%- endmacro %}

{% macro has_node_result(node) -%}
    {%- set is_table = node.resource_type in ('model', 'seed', 'snapshot') and node.config.materialized != 'ephemeral' -%}
    {{ return(is_table or (node.resource_type == 'test' and node.config.severity | lower == 'error')) }}
{%- endmacro %}

{% macro is_running_nodes() -%}
    {{ return(execute and flags.WHICH in ('build', 'run', 'test', 'seed', 'snapshot', 'retry')) }}
{%- endmacro %}

{#- A test is also due when a table that it reads will be built. -#}
{% macro list_due_nodes() -%}
    {%- set nodes = [] -%}
    {%- for node in graph.nodes.values() if has_node_result(node) -%}
        {%- set read_nodes = node.depends_on.nodes if node.resource_type == 'test' else [] -%}
        {%- if ([node.unique_id] + read_nodes) | select('in', selected_resources) | list -%}
            {%- do nodes.append(node.unique_id) -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return(nodes) }}
{%- endmacro %}

{% macro mark_due_nodes() %}
    {% if is_running_nodes() %}
        {% set nodes = list_due_nodes() %}
        {% do create_node_results() %}
        {% set known_nodes = run_query('select node from ' ~ node_results()).columns[0].values() | list %}
        {#- Nodes of other commands are due too: without a row, no step would refuse them. -#}
        {% set new_nodes = [] %}
        {% for node in graph.nodes.values() if node.unique_id not in known_nodes and has_node_result(node) %}
            {% do new_nodes.append(node.unique_id) %}
        {% endfor %}
        {% if new_nodes %}
            {% call statement(auto_begin=true) %}
                insert into {{ node_results() }} (node) values ('{{ new_nodes | join("'), ('") }}')
            {% endcall %}
        {% endif %}
        {% do update_node_results(new_nodes + nodes, {'status': 'due'}) %}
        {% do adapter.commit() %}
    {% endif %}
{% endmacro %}

{% macro create_node_results() -%}
    {%- set columns = {
        'node': dbt.type_string(),
        'status': dbt.type_string(),
        'message': dbt.type_string(),
        'fingerprint': dbt.type_string(),
        'failure_count': dbt.type_bigint(),
        'newest_load_id': dbt.type_bigint(),
        'tested_tables': dbt.type_string(),
        'changed_at': dbt.type_timestamp(),
    } -%}
    {%- set definitions = [] -%}
    {%- for name, type in columns.items() -%}
        {%- do definitions.append(name ~ ' ' ~ type) -%}
    {%- endfor -%}
    {%- call statement(auto_begin=true) -%}
        create schema if not exists {{ target.database }}.gates
    {%- endcall -%}
    {%- set table = adapter.get_relation(target.database, 'gates', 'node_results') -%}
    {%- if table and adapter.get_columns_in_relation(table) | map(attribute='name') | list != columns.keys() | list -%}
        {#- The table is of another version. -#}
        {%- do adapter.drop_relation(table) -%}
    {%- endif -%}
    {%- call statement(auto_begin=true) -%}
        create table if not exists {{ node_results() }} ({{ definitions | join(', ') }})
    {%- endcall -%}
{%- endmacro %}

{% macro record_node_results(results) %}
    {% if is_running_nodes() %}
        {% set nodes_by_status = {} %}
        {% set failed_tests = [] %}
        {% for result in results %}
            {% set response = result.adapter_response if result.node.resource_type == 'test' else {} %}
            {% if response.get('code') %}
                {% do log(result.node.name ~ ': ' ~ (response.get('_message') or result.message) | replace('\n', '; '), info=true) %}
            {% endif %}
            {% if not has_node_result(result.node) or has_partial_flags() %}
                {#- Unit tests, hooks and warnings block nothing. After a partial build, nodes stay due. -#}
            {% elif response.get('code') or result.status not in ('success', 'pass', 'warn', 'skipped') %}
                {% do update_node_results([result.node.unique_id], {
                    'status': result.status,
                    'message': response.get('_message') or result.message,
                    'fingerprint': response.get('code'),
                    'failure_count': response.get('rows_affected'),
                    'tested_tables': list_tested_tables(result.node) | join(' ') or none,
                }) %}
                {% do failed_tests.append(result.node.name) if result.status == 'fail' %}
            {% else %}
                {% do nodes_by_status.setdefault(result.status | string, []).append(result.node.unique_id) %}
            {% endif %}
        {% endfor %}
        {% set skipped_nodes = nodes_by_status.pop('skipped', []) %}
        {% do delete_removed_tests(nodes_by_status.get('success', [])) %}
        {% for status, nodes in nodes_by_status.items() %}
            {% do update_node_results(nodes, {'status': status}) %}
        {% endfor %}
        {% set result_nodes = results | map(attribute='node.unique_id') | list %}
        {% set due_nodes = list_due_nodes() | reject('in', result_nodes) | list if failed_tests else [] %}
        {% for status, nodes in {'skipped': skipped_nodes, 'due': due_nodes}.items() %}
            {% do update_node_results(nodes, {'status': status, 'message': describe_stop(failed_tests)}) %}
        {% endfor %}
        {% do adapter.commit() %}
    {% endif %}
{% endmacro %}

{% macro list_tested_tables(node) -%}
    {%- if node.resource_type != 'test' -%}
        {{ return([]) }}
    {%- endif -%}
    {{ return([node.attached_node] if node.attached_node else node.depends_on.nodes) }}
{%- endmacro %}

{#- The failure of a test that was removed or renamed refuses the tables until they are built again. -#}
{% macro delete_removed_tests(built_tables) %}
    {% set rows = run_query('select node, tested_tables from ' ~ node_results() ~ ' where tested_tables is not null').rows %}
    {% for node, tested_tables in rows if node not in graph.nodes %}
        {% set tables = tested_tables.split(' ') | select('in', graph.nodes) | list %}
        {% if not tables | reject('in', built_tables) | list %}
            {% call statement(auto_begin=true) %}
                delete from {{ node_results() }} where node = '{{ node }}'
            {% endcall %}
        {% endif %}
    {% endfor %}
{% endmacro %}

{% macro describe_stop(failed_tests) -%}
    {%- if failed_tests -%}
        {%- set more_count = failed_tests | length - 1 -%}
        {{ return(
            'failed test ' ~ failed_tests[0] ~ (' (and ' ~ more_count ~ ' more)' if more_count else '')
            ~ ' stopped the last dbt build'
        ) }}
    {%- endif -%}
    {{ return(none) }}
{%- endmacro %}

{% macro update_node_results(nodes, values) -%}
    {%- set assignments = [] -%}
    {%- for column in ('status', 'message', 'fingerprint', 'failure_count', 'tested_tables') -%}
        {%- set value = values.get(column) -%}
        {%- set constant = value if column == 'failure_count' else quote(value | string) -%}
        {%- do assignments.append(column ~ ' = ' ~ ('null' if value is none else constant)) -%}
    {%- endfor -%}
    {%- if nodes -%}
        {%- call statement(auto_begin=true) -%}
        update {{ node_results() }}
        set
            {{ assignments | join(', ') }},
            newest_load_id = (
                select max(load_id) from {{ source('raw', 'loaded_files') }}
                where feed not in ({{ quoted_list(log_kinds()) }})
            ),
            changed_at = {{ dbt.current_timestamp() }}
        where node in ({{ quoted_list(nodes) }})
        {%- endcall -%}
    {%- endif -%}
{%- endmacro %}

{#- Target dev has a database of its own, which no step reads. dbt's flags have no SAMPLE and no DEFER. -#}
{% macro has_partial_flags() -%}
    {%- set arguments = invocation_args_dict -%}
    {{ return(
        target.name != 'dev' and (arguments.empty or arguments.sample or arguments.defer or arguments.vars)
    ) }}
{%- endmacro %}
