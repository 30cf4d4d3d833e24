select
    differences.run_id,
    runs.trained_at,
    differences.cutoff,
    differences.method,
    differences.segment,
    differences.segment_value,
    differences.metric,
    differences.k,
    differences.users,
    differences.difference,
    differences.lower_bound,
    differences.upper_bound,
    differences.lower_bound > 0 or differences.upper_bound < 0 as is_significant
from {{ ref('stg_ml__metric_differences') }} as differences
inner join {{ ref('stg_ml__model_runs') }} as runs on differences.run_id = runs.run_id
