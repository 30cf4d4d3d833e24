{% macro query_to_list(query) -%}
    {{ return(run_query(query).columns[0].values() | list) }}
{%- endmacro %}
