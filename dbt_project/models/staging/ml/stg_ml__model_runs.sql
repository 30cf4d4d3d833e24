select
    run_id,
    trained_at,
    dataset_hash,
    as_of,
    config,
    epochs,
    users,
    products,
    interactions,
    fit_seconds,
    artifact_path,
    warm_from,
    is_serving,
    promoted_at,
    rejection_reason
from {{ source('ml', 'model_runs') }}
