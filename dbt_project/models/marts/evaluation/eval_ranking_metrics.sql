-- The trainer smooths the shares with a hundredth of the history's (CALIBRATION_SMOOTHING), so the largest calibration error
-- is ln(100).
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
    metrics.top_product_share,
    metrics.top_ten_share,
    metrics.diversity,
    metrics.calibration_error,
    metrics.serendipity,
    1 - metrics.calibration_error / ln(100) as category_match
from {{ ref('stg_ml__ranking_metrics') }} as metrics
inner join {{ ref('stg_ml__model_runs') }} as runs on metrics.run_id = runs.run_id
