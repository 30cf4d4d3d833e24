-- Columns are qualified, because sqlglot, which reads the column lineage, parses an unqualified column `map` as a type.
select
    metrics.run_id,
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
    metrics.serendipity
from {{ source('ml', 'ranking_metrics') }} as metrics
