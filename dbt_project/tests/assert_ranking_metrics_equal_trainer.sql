{{ config(meta={'dagster': {'ref': {'name': 'eval_ranking_metrics'}}}) }}
{%- set metrics = ['precision', 'recall', 'ndcg', 'map', 'hit_rate', 'coverage', 'novelty', 'long_tail_share'] %}

-- Ranking metrics are computed twice, by the trainer and in SQL from the trainer's lists. Both must have equal values and
-- equal nulls; no metric is below zero, so -1 replaces null.
with in_sql as (

    select * from {{ ref('eval_ranking_metrics') }}
    where cutoff = 'test'

),

by_trainer as (

    select metrics.* from {{ source('ml', 'ranking_metrics') }} as metrics
    inner join (
        select distinct run_id, method from {{ source('ml', 'evaluation_candidates') }}
        where cutoff = 'test'
    ) as listed on metrics.run_id = listed.run_id and metrics.method = listed.method
    where metrics.cutoff = 'test'

)

select
    coalesce(in_sql.run_id, by_trainer.run_id) as run_id,
    coalesce(in_sql.method, by_trainer.method) as method,
    coalesce(in_sql.segment, by_trainer.segment) as segment,
    coalesce(in_sql.segment_value, by_trainer.segment_value) as segment_value,
    coalesce(in_sql.k, by_trainer.k) as k,
    in_sql.users,
    by_trainer.users as trainer_users
    {%- for metric in metrics %},
    in_sql.{{ metric }},
    by_trainer.{{ metric }} as trainer_{{ metric }}
    {%- endfor %}
from in_sql
full outer join by_trainer
    on in_sql.run_id = by_trainer.run_id
    and in_sql.method = by_trainer.method
    and in_sql.segment = by_trainer.segment
    and in_sql.segment_value = by_trainer.segment_value
    and in_sql.k = by_trainer.k
where
    in_sql.run_id is null
    or by_trainer.run_id is null
    or in_sql.users != by_trainer.users
    {%- for metric in metrics %}
    or abs(coalesce(in_sql.{{ metric }}, -1) - coalesce(by_trainer.{{ metric }}, -1)) > 1e-6
    {%- endfor %}
