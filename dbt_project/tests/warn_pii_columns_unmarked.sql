{{ config(severity='warn', meta={'dagster': {'ref': {'name': 'audit_pii'}}}) }}

-- Warns when a column that by its name has data of single customers is not marked with contains_pii. The columns _extra
-- and text have unmapped values and lines that could not be read.
select
    concat(
        columns.table_schema, '.', columns.table_name, '.', columns.column_name,
        ' has data of single customers. Mark it in its yml file: config: {meta: {contains_pii: true}}'
    ) as message
from information_schema.columns as columns
left join {{ ref('audit_pii') }} as marked
    on columns.table_schema = marked.schema_name
    and columns.table_name = marked.table_name
    and columns.column_name = marked.column_name
where
    (
        columns.column_name in ('user_id', 'session_id', 'transaction_id', '_extra')
        or (columns.table_name = 'rejected_rows' and columns.column_name = 'text')
    )
    and columns.table_catalog = {{ quote(target.database) }}
    and marked.column_name is null
order by message
