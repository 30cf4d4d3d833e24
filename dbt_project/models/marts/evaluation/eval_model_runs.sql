with metrics as (

    select * from {{ ref('stg_ml__ranking_metrics') }}
    where cutoff = 'test' and segment = 'all' and k = 10

)

select
    runs.run_id,
    runs.trained_at,
    runs.is_serving,
    runs.promoted_at,
    runs.rejection_reason,
    runs.warm_from,
    runs.dataset_hash,
    runs.as_of,
    runs.users,
    runs.products,
    runs.interactions,
    runs.epochs,
    runs.fit_seconds,
    cast({{ json_text('runs.config', 'factors') }} as integer) as factors,
    cast({{ json_text('runs.config', 'regularization') }} as {{ type_double() }}) as regularization,
    cast({{ json_text('runs.config', 'unobserved_weight') }} as {{ type_double() }}) as unobserved_weight,
    cast({{ json_text('runs.config', 'strength_scale') }} as {{ type_double() }}) as strength_scale,
    cast({{ json_text('runs.config', 'user_damping') }} as {{ type_double() }}) as user_damping,
    cast({{ json_text('runs.config', 'product_damping') }} as {{ type_double() }}) as product_damping,
    cast({{ json_text('runs.config', 'seed') }} as {{ dbt.type_bigint() }}) as seed,
    runs.config,
    runs.artifact_path,
    model_metrics.ndcg as ndcg_at_10,
    popularity_metrics.ndcg as popularity_ndcg_at_10
from {{ ref('stg_ml__model_runs') }} as runs
left join metrics as model_metrics on runs.run_id = model_metrics.run_id and model_metrics.method = 'als'
left join metrics as popularity_metrics
    on runs.run_id = popularity_metrics.run_id
    and popularity_metrics.method = 'popularity'
