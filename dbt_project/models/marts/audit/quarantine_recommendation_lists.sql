{{ config(materialized='view') }}

select
    file_loads.feed as _feed,
    file_loads.path as _file,
    lists._line,
    lists.reasons,
    lists.user_id,
    lists.placement,
    lists.published_at,
    lists.experiment,
    lists.arm,
    lists.run_id,
    lists.publication,
    lists.unreadable_published_at,
    lists.unreadable_product_ids,
    {{ raw_row_json('raw_lists', raw_columns('recommendation_lists')) }} as raw_row
from {{ ref('int_recommendation_lists_classified') }} as lists
inner join {{ ref('int_file_loads') }} as file_loads on lists._load_id = file_loads.load_id
-- A quarantined row is kept even if its raw row is missing.
left join {{ ref('stg_raw__recommendation_lists') }} as raw_lists
    on lists._load_id = raw_lists._load_id
    and lists._line = raw_lists._line
where lists.row_status = 'quarantined'
