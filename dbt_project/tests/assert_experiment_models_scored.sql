{{ config(meta={'dagster': {'ref': {'name': 'rec_experiments'}}}) }}

-- Stops a run before lists change when the model of an arm is unknown, or has not scored the customers of the arm: they
-- would get popular products. A customer whose products are all newer than the model has no candidates of it.
with challengers as (

    select experiment, arm, policy, run_id from {{ ref('rec_experiments') }}
    where policy like 'model:%'

),

customers as (

    select
        challengers.experiment,
        challengers.arm,
        assignments.user_id,
        max(case when candidates.run_id = challengers.run_id then 1 else 0 end) as is_scored
    from challengers
    inner join {{ ref('int_experiment_assignments') }} as assignments
        on challengers.experiment = assignments.experiment
        and challengers.arm = assignments.arm
    inner join {{ ref('stg_ml__candidates') }} as candidates on assignments.user_id = candidates.user_id
    where candidates.rank = 1
    group by challengers.experiment, challengers.arm, assignments.user_id

),

arms as (

    select experiment, arm, count(*) as customer_count, sum(is_scored) as scored_count
    from customers
    group by experiment, arm

)

select
    concat(
        'experiments.csv: experiment ''', challengers.experiment, ''', arm ''', challengers.arm, ''', policy ',
        challengers.policy, ': ',
        case
            when challengers.run_id is null
                then 'not exactly one model has such a run id. `recomart models` lists them'
            else concat(
                    'the model has scored only ', arms.scored_count, ' of ', arms.customer_count,
                    ' customers. `recomart run` scores all of them'
                )
        end
    ) as message
from challengers
left join arms on challengers.experiment = arms.experiment and challengers.arm = arms.arm
where
    challengers.run_id is null
    or arms.scored_count < {{ var('min_customers_served_share') }} * arms.customer_count
order by challengers.experiment, challengers.arm
