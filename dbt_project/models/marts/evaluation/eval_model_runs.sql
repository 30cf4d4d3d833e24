with runs as (

    select * from {{ ref('stg_ml__model_runs') }}

),

metrics as (

    select * from {{ ref('stg_ml__ranking_metrics') }}
    where cutoff = 'test' and segment = 'all' and k = 10

),

-- The oracle, which uses the true preferences of the demo shop, and models without a declared feature are no baselines.
baselines as (

    select
        *,
        row_number() over (partition by run_id order by ndcg desc, method) as baseline_rank
    from metrics
    where method not in ('als', 'oracle') and method not like 'without %'

),

-- finding is the gate's measurement as text. Failed gates come first.
gate_findings as (

    select
        run_id,
        {{ dbt.listagg(
            "concat(gate, case when is_passed then ' (passed): ' else ' (failed): ' end, finding)", "'; '",
            'order by is_passed, gate'
        ) }} as findings
    from {{ ref('stg_ml__gate_results') }}
    group by run_id

),

-- A model serves from its last promotion until the promotion of another model. Earlier promotions are not kept.
serving_periods as (

    select
        runs.run_id,
        lead(runs.promoted_at) over (order by runs.promotion_number) as serving_ended_at,
        lag(metrics.coverage) over (order by runs.promotion_number) as previous_coverage
    from runs
    left join metrics on runs.run_id = metrics.run_id and metrics.method = 'als'
    where runs.promotion_number is not null

)

select
    runs.run_id,
    runs.trained_at,
    -- as_of is exclusive: one second before it is on the last day of the data.
    cast({{ dbt.dateadd('second', -1, 'runs.as_of') }} as date) as data_date,
    runs.is_serving,
    runs.promoted_at as serving_started_at,
    serving_periods.serving_ended_at,
    runs.rejection_reason,
    gate_findings.findings,
    runs.warm_from,
    runs.dataset_hash,
    runs.as_of,
    runs.users,
    runs.products,
    runs.interactions,
    runs.epochs,
    runs.fit_seconds,
    cast({{ json_text('runs.config', 'factors') }} as integer) as factors,
    runs.config,
    model.users as evaluated_user_count,
    model.ndcg as ndcg_at_10,
    model.recall as recall_at_10,
    model.coverage as coverage_at_10,
    popularity.ndcg as popularity_ndcg_at_10,
    {{ safe_divide('model.ndcg', 'popularity.ndcg') }} as ndcg_ratio_to_popularity,
    baselines.method as best_baseline,
    baselines.ndcg as best_baseline_ndcg_at_10,
    baselines.recall as best_baseline_recall_at_10,
    baselines.coverage as best_baseline_coverage_at_10,
    differences.difference as ndcg_difference,
    differences.lower_bound as ndcg_difference_lower_bound,
    differences.upper_bound as ndcg_difference_upper_bound,
    serving_periods.previous_coverage,
    runs.run_number,
    runs.promotion_number
from runs
left join metrics as model on runs.run_id = model.run_id and model.method = 'als'
left join metrics as popularity on runs.run_id = popularity.run_id and popularity.method = 'popularity'
left join baselines on runs.run_id = baselines.run_id and baselines.baseline_rank = 1
left join {{ ref('eval_metric_differences') }} as differences
    on runs.run_id = differences.run_id
    and baselines.method = differences.method
    and differences.cutoff = 'test'
    and differences.segment = 'all'
    and differences.metric = 'ndcg'
    and differences.k = 10
left join gate_findings on runs.run_id = gate_findings.run_id
left join serving_periods on runs.run_id = serving_periods.run_id
