{#- Stops a run with one clear sentence when the loader has not made its tables yet. -#}
{% macro require_raw_tables() %}
    {% if execute and flags.WHICH in ['build', 'run', 'test', 'seed', 'snapshot'] %}
        {% set missing = [] %}
        {% for source in graph.sources.values() %}
            {% if not adapter.get_relation(source.database, source.schema, source.identifier) %}
                {% do missing.append(source.schema ~ '.' ~ source.identifier) %}
            {% endif %}
        {% endfor %}
        {% if missing %}
            {% do exceptions.raise_compiler_error(
                target.path ~ ': the warehouse has no table ' ~ missing | sort | last
                ~ (' (nor ' ~ (missing | length - 1) ~ ' others that dbt reads)' if missing | length > 1 else '')
                ~ '; load the shop first with `recomart load`, or make a demo shop with `make demo`'
            ) %}
        {% endif %}
    {% endif %}
{% endmacro %}
