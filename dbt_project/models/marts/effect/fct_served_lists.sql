{{ config(materialized='view') }}

select
    lists.recommendation_id,
    lists.served_at,
    lists.user_id,
    lists.session_id,
    lists.placement,
    lists.experiment,
    lists.arm,
    lists.run_id,
    lists.product_ids,
    lists.is_fallback,
    file_loads.feed as _feed,
    file_loads.path as _file,
    lists._line,
    lists._load_id
from {{ ref('int_served_lists_classified') }} as lists
inner join {{ ref('int_file_loads') }} as file_loads on lists._load_id = file_loads.load_id
where lists.row_status = 'clean' and {{ is_in_sample('lists.user_id') }}
