{{ config(materialized='view') }}

select
    file_loads.feed as _feed,
    file_loads.path as _file,
    lists._line,
    lists.reasons,
    lists.recommendation_id,
    lists.served_at,
    lists.user_id,
    lists.session_id,
    lists.placement,
    lists.experiment,
    lists.arm,
    lists.run_id,
    lists.unreadable_served_at,
    lists.unreadable_product_ids,
    {{ raw_row_json('raw_lists', raw_columns('served_lists')) }} as raw_row
from {{ ref('int_served_lists_classified') }} as lists
inner join {{ ref('int_file_loads') }} as file_loads on lists._load_id = file_loads.load_id
-- A quarantined row is kept even if its raw row is missing.
left join {{ ref('stg_raw__served_lists') }} as raw_lists
    on lists._load_id = raw_lists._load_id
    and lists._line = raw_lists._line
where lists.row_status = 'quarantined'
