with metrics as (

    select * from {{ ref('stg_ml__ranking_metrics') }}

)

select
    metrics.run_id,
    runs.trained_at,
    runs.is_serving,
    metrics.cutoff,
    metrics.method,
    metrics.segment,
    metrics.segment_value,
    metrics.k,
    metrics.users,
    metrics.precision,
    metrics.recall,
    metrics.ndcg,
    metrics.map,
    metrics.hit_rate,
    metrics.coverage,
    metrics.novelty,
    metrics.long_tail_share,
    {{ safe_divide('metrics.ndcg', 'popularity.ndcg') }} as ndcg_ratio_to_popularity
from metrics
inner join {{ ref('stg_ml__model_runs') }} as runs on metrics.run_id = runs.run_id
-- The baseline of popular products, to which each method's NDCG is compared.
left join metrics as popularity
    on popularity.method = 'popularity'
    and metrics.run_id = popularity.run_id
    and metrics.cutoff = popularity.cutoff
    and metrics.segment = popularity.segment
    and metrics.segment_value = popularity.segment_value
    and metrics.k = popularity.k
