select
    run_id,
    cutoff,
    method,
    segment,
    segment_value,
    k,
    users,
    precision,
    recall,
    ndcg,
    map,
    hit_rate,
    coverage,
    novelty,
    long_tail_share
from {{ source('ml', 'ranking_metrics') }}
