{{ config(meta={'dagster': {'ref': {'name': 'rec_experiments'}}}) }}

-- Stops a run before lists change when the model of an arm is unknown, or has not scored the customers of the arm: they
-- would get popular products.
select
    concat(
        'experiments.csv: experiment ''', arms.experiment, ''', arm ''', arms.arm, ''', policy ''', arms.policy, ''': ',
        case
            when arms.run_id is null
                then 'not exactly one model has such a run id. `recomart models` lists them'
            else 'the model has not scored the customers of the arm yet. Run `recomart run`'
        end
    ) as message
from {{ ref('rec_experiments') }} as arms
left join (
    select distinct run_id from {{ ref('stg_ml__candidates') }}
) as scored_runs on arms.run_id = scored_runs.run_id
where
    arms.policy like 'model:%'
    and scored_runs.run_id is null
    and (
        arms.run_id is null
        or exists (
            select 1 from {{ ref('int_experiment_assignments') }} as assignments
            where assignments.experiment = arms.experiment and assignments.arm = arms.arm
        )
    )
order by arms.experiment, arms.arm
