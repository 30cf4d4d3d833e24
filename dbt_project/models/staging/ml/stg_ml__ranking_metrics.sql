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
    metrics.long_tail_share
from {{ source('ml', 'ranking_metrics') }} as metrics
