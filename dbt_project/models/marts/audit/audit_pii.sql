-- noqa: disable=LT02

{% set columns = pii_columns() %}

with columns as (

    {% for column in columns -%}
    select
        {{ quote(column.schema_name) }} as schema_name,
        {{ quote(column.table_name) }} as table_name,
        {{ quote(column.column_name) }} as column_name,
        {{ quote(column.description) }} as description
    {{ 'union all' if not loop.last }}
    {% else -%}
    select
        '' as schema_name,
        '' as table_name,
        '' as column_name,
        '' as description
    where 1 = 0
    {% endfor %}
)

select
    cast(schema_name as {{ dbt.type_string() }}) as schema_name,
    cast(table_name as {{ dbt.type_string() }}) as table_name,
    cast(column_name as {{ dbt.type_string() }}) as column_name,
    cast(description as {{ dbt.type_string() }}) as description
from columns
