{{ config(severity='warn', meta={'dagster': {'ref': {'name': 'audit_pii'}}}) }}

-- Warns when a column that by its name has data of single customers is not marked with contains_pii: columns of built tables,
-- and columns of the yml files, whose tables may be built later in the run. Columns that quote what the shop delivered can
-- have any data.
with columns as (

    select
        table_schema,
        table_name,
        column_name
    from information_schema.columns
    where
        table_catalog = {{ quote(target.database) }}
        and (
            regexp_matches(lower(column_name), {{ quote(pii_name_pattern()) }})
            or (table_name in ('rejected_rows', 'stg_raw__rejected_rows') and column_name = 'text')
            or (table_name = 'audit_unread_values' and column_name = 'value')
        )

    {% for column in pii_columns(is_marked=false) %}
    union
    select
        {{ quote(column.schema_name) }},
        {{ quote(column.table_name) }},
        {{ quote(column.column_name) }}
    {% endfor %}
)

select
    concat(
        columns.table_schema, '.', columns.table_name, '.', columns.column_name,
        ' has data of single customers. Mark it in its yml file: config: {meta: {contains_pii: true}}'
    ) as message
from columns
left join {{ ref('audit_pii') }} as marked
    on columns.table_schema = marked.schema_name
    and columns.table_name = marked.table_name
    and columns.column_name = marked.column_name
where marked.column_name is null
order by message
