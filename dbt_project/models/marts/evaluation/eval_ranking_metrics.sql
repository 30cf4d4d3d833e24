with metrics as (

    select * from {{ ref('stg_ml__ranking_metrics') }}

),

runs as (

    select
        run_id,
        trained_at,
        is_serving
    from {{ ref('stg_ml__model_runs') }}

),

-- The baseline of popular products, to which each method's NDCG is compared.
popularity as (

    select * from metrics
    where method = 'popularity'

),

final as (

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
        {{ safe_divide('metrics.ndcg', 'popularity.ndcg') }} as ndcg_ratio_to_popularity
    from metrics
    inner join runs on metrics.run_id = runs.run_id
    left join popularity
        on metrics.run_id = popularity.run_id
        and metrics.cutoff = popularity.cutoff
        and metrics.segment = popularity.segment
        and metrics.segment_value = popularity.segment_value
        and metrics.k = popularity.k

)

select * from final
