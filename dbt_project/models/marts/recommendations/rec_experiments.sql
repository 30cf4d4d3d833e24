-- A prefix that no run id, or more than one, begins with has no run: test assert_experiment_models_exist reports it.
with challengers as (

    select
        arms.experiment,
        arms.arm,
        case when count(*) = 1 then max(runs.run_id) end as run_id
    from {{ ref('int_active_experiments') }} as arms
    inner join {{ ref('stg_ml__model_runs') }} as runs
        on arms.run_id_prefix = substr(runs.run_id, 1, length(arms.run_id_prefix))
    group by arms.experiment, arms.arm

)

select
    arms.experiment,
    arms.arm,
    arms.policy,
    cast(arms.share_units as {{ type_double() }}) / 10000 as share,
    arms.starts_on,
    arms.ends_on,
    arms.active_on,
    case
        when arms.run_id_prefix is not null then challengers.run_id
        when arms.policy not in ('popularity', 'none') then serving_runs.run_id
    end as run_id,
    arms.rule_set,
    serving_runs.run_id as serving_run_id
from {{ ref('int_active_experiments') }} as arms
left join challengers on arms.experiment = challengers.experiment and arms.arm = challengers.arm
left join {{ ref('stg_ml__model_runs') }} as serving_runs on serving_runs.is_serving
