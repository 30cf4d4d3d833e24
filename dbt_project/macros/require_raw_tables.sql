{#- Stops with one clear sentence when the loader has not made its tables yet: at the start of a run, and for the commands that
    have no start (compile, show, docs generate), where a model reads these tables to be compiled. -#}
{% macro require_raw_tables() %}
    {% if execute %}
        {% set missing = [] %}
        {#- While a unit test is compiled there are no sources, which it does not read. -#}
        {% for source in graph.get('sources', {}).values() %}
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
