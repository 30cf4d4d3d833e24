{{ config(materialized='view') }}

select
    file_loads.feed as _feed,
    file_loads.path as _file,
    impressions._line,
    impressions.reasons,
    impressions.impression_id,
    impressions.user_id,
    impressions.session_id,
    impressions.product_id,
    impressions.placement,
    impressions.position,
    impressions.seen_at,
    impressions.recommendation_id,
    impressions.unreadable_position,
    impressions.unreadable_seen_at,
    {{ raw_row_json('raw_impressions', raw_columns('impressions')) }} as raw_row
from {{ ref('int_impressions_classified') }} as impressions
inner join {{ ref('int_file_loads') }} as file_loads on impressions._load_id = file_loads.load_id
-- A quarantined row is kept even if its raw row is missing.
left join {{ ref('stg_raw__impressions') }} as raw_impressions
    on impressions._load_id = raw_impressions._load_id
    and impressions._line = raw_impressions._line
where impressions.row_status = 'quarantined'
