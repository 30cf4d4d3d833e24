{{ config(severity='warn', meta={'dagster': {'ref': {'name': 'audit_pii'}}}) }}

-- Warns when a column that by its name has data of single customers is not marked with contains_pii. Columns that quote
-- what the shop delivered, such as unmapped values and texts that could not be read, can have any data.
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
        columns.column_name in (
            'user_id', 'session_id', 'transaction_id', '_extra', 'raw_row', 'unread_values', 'rounded_ids', 'nested_ids'
        )
        or columns.column_name like 'unreadable\_%' escape '\'
        or (columns.table_name in ('rejected_rows', 'stg_raw__rejected_rows') and columns.column_name = 'text')
        or (columns.table_name = 'audit_unread_values' and columns.column_name = 'value')
    )
    and columns.table_catalog = {{ quote(target.database) }}
    and marked.column_name is null
order by message
