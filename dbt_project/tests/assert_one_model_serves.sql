{{ config(meta={'dagster': {'ref': {'name': 'eval_quality_by_day'}}}) }}

-- Once a model has served, exactly one does: the lists of two would be mixed, and those of none popularity alone.
select count(case when is_serving then 1 end) as serving_models
from {{ ref('eval_quality_by_day') }}
having count(serving_started_at) > 0 and count(case when is_serving then 1 end) != 1
