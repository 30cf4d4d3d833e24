with runs as (

    select run_id, trained_at from {{ ref('stg_ml__model_runs') }}

),

differences as (

    select * from {{ ref('stg_ml__metric_differences') }}

),

final as (

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
    from differences
    inner join runs on differences.run_id = runs.run_id

)

select * from final
