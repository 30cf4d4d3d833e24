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
    metrics.long_tail_share
from {{ ref('stg_ml__ranking_metrics') }} as metrics
inner join {{ ref('stg_ml__model_runs') }} as runs on metrics.run_id = runs.run_id
