{#- How dbt replaces a seed's table: it would keep the old one and its columns, whatever the file and its column_types have by
    now. In one transaction, so that a file which cannot be read leaves what was there. -#}
{% macro duckdb__reset_csv_table(model, full_refresh, old_relation, agate_table) %}
    {% do adapter.ensure_transaction() %}
    {% do adapter.drop_relation(old_relation) %}
    {{ return(create_csv_table(model, agate_table)) }}
{% endmacro %}
