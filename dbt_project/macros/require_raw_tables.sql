{% macro require_raw_tables() %}
    {% if execute %}
        {% set missing = [] %}
        {#- When dbt compiles a unit test, the graph has no sources. Sources of an analyst's own can be files. -#}
        {% for source in graph.get('sources', {}).values() if source.source_name in ('raw', 'ml') %}
            {% if not adapter.get_relation(source.database, source.schema, source.identifier) %}
                {% do missing.append(source.schema ~ '.' ~ source.identifier) %}
            {% endif %}
        {% endfor %}
        {% for table, column in [('model_runs', 'run_number'), ('feeds', 'keep_days')] if not missing %}
            {% set relation = source('ml' if table == 'model_runs' else 'raw', table) %}
            {% if column not in adapter.get_columns_in_relation(relation) | map(attribute='name') %}
                {% do exceptions.raise_compiler_error(
                    'source tables are of an earlier version: ' ~ target.path ~ ': ' ~ relation.schema ~ '.' ~ table
                    ~ ' has no column ' ~ column ~ '. Run `recomart load` once; it adds the column.'
                ) %}
            {% endif %}
        {% endfor %}
        {% if missing %}
            {% do exceptions.raise_compiler_error(
                'source tables are missing: ' ~ target.path ~ ': there is no table ' ~ missing | sort | last
                ~ (' (and ' ~ (missing | length - 1) ~ ' more that dbt reads)' if missing | length > 1 else '')
                ~ '. Load the data with `recomart load`, or create a demo shop with `make demo`.'
            ) %}
        {% endif %}
    {% endif %}
{% endmacro %}
