select
    run_id,
    cutoff,
    method,
    segment,
    segment_value,
    metric,
    k,
    users,
    difference,
    lower_bound,
    upper_bound
from {{ source('ml', 'metric_differences') }}
