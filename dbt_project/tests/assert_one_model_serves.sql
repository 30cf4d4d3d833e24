{{ config(meta={'dagster': {'ref': {'name': 'eval_model_runs'}}}) }}

-- After the first promotion exactly one model serves. Two serving models would mix their candidates in a list; without
-- a serving model lists would have popular products only.
select
    concat(
        count(case when is_serving then 1 end), ' models serve instead of one. Make one serve with recomart promote'
    ) as message
from {{ ref('eval_model_runs') }}
having count(serving_started_at) > 0 and count(case when is_serving then 1 end) != 1
