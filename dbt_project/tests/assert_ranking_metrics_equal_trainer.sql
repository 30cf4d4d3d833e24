{{ config(meta={'dagster': {'ref': {'name': 'eval_ranking_metrics'}}}) }}
{%- set metrics = ['precision', 'recall', 'ndcg', 'map', 'hit_rate', 'coverage', 'novelty', 'long_tail_share'] %}

-- Ranking metrics are computed twice, by the trainer and in SQL from the trainer's lists. Both must have equal values
-- and equal nulls; no metric is below zero, so -1 replaces null.
-- noqa: disable=LT02
with sql_metrics as (

    select * from {{ ref('eval_ranking_metrics') }}
    where cutoff = 'test'

),

trainer_metrics as (

    select metrics.* from {{ source('ml', 'ranking_metrics') }} as metrics
    inner join (
        select distinct run_id, method from {{ source('ml', 'evaluation_candidates') }}
        where cutoff = 'test'
    ) as listed on metrics.run_id = listed.run_id and metrics.method = listed.method
    where metrics.cutoff = 'test'

)

select
    coalesce(sql_metrics.run_id, trainer_metrics.run_id) as run_id,
    coalesce(sql_metrics.method, trainer_metrics.method) as method,
    coalesce(sql_metrics.segment, trainer_metrics.segment) as segment,
    coalesce(sql_metrics.segment_value, trainer_metrics.segment_value) as segment_value,
    coalesce(sql_metrics.k, trainer_metrics.k) as k,
    sql_metrics.users,
    trainer_metrics.users as trainer_users
    {%- for metric in metrics %},
    sql_metrics.{{ metric }},
    trainer_metrics.{{ metric }} as trainer_{{ metric }}
    {%- endfor %}
from sql_metrics
full outer join trainer_metrics
    on sql_metrics.run_id = trainer_metrics.run_id
    and sql_metrics.method = trainer_metrics.method
    and sql_metrics.segment = trainer_metrics.segment
    and sql_metrics.segment_value = trainer_metrics.segment_value
    and sql_metrics.k = trainer_metrics.k
where
    sql_metrics.run_id is null
    or trainer_metrics.run_id is null
    or sql_metrics.users != trainer_metrics.users
    {%- for metric in metrics %}
    or abs(coalesce(sql_metrics.{{ metric }}, -1) - coalesce(trainer_metrics.{{ metric }}, -1)) > 1e-6
    {%- endfor %}
