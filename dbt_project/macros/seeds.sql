{#- dbt's own macro would keep the old table and its columns even when the file or its column_types changed. With one
    transaction, a file with an error leaves the old table in place. -#}
{% macro duckdb__reset_csv_table(model, full_refresh, old_relation, agate_table) %}
    {% do adapter.ensure_transaction() %}
    {% do adapter.drop_relation(old_relation) %}
    {{ return(create_csv_table(model, agate_table)) }}
{% endmacro %}
