-- A customer takes part from the first list of the arm on; in an arm without lists, from the first empty list on. A new customer
-- can get an answer of the service before any published list. The measurement ends with the experiment or with the data.
with arm_lists as (

    select experiment, arm, user_id, published_at as enrolled_at from {{ ref('fct_recommendation_lists') }}
    union all
    select experiment, arm, user_id, served_at as enrolled_at from {{ ref('fct_served_lists') }}
    where user_id is not null

),

experiment_periods as (

    select
        experiments.experiment,
        max(cast(experiments.starts_on as {{ dbt.type_timestamp() }})) as starts_at,
        -- least ignores the null of an experiment without an end.
        least(max(cast(experiments.ends_on as {{ dbt.type_timestamp() }})), max(cutoffs.as_of)) as ends_at
    from {{ ref('int_experiment_arms') }} as experiments
    inner join {{ ref('int_feature_cutoffs') }} as cutoffs on cutoffs.cutoff = 'now'
    group by experiments.experiment

),

-- An earlier experiment can have had the same name.
enrolments as (

    select
        arm_lists.experiment,
        arm_lists.user_id,
        min(arm_lists.arm) as arm,
        count(distinct arm_lists.arm) as arm_count,
        min(arm_lists.enrolled_at) as enrolled_at
    from arm_lists
    inner join experiment_periods
        on arm_lists.experiment = experiment_periods.experiment
        and arm_lists.enrolled_at >= experiment_periods.starts_at
        and arm_lists.enrolled_at < experiment_periods.ends_at
    group by arm_lists.experiment, arm_lists.user_id

)

select
    enrolments.experiment,
    enrolments.arm,
    enrolments.user_id,
    enrolments.enrolled_at,
    {{ dbt.dateadd('day', -var('effect_days_before'), 'enrolments.enrolled_at') }} as history_starts_at,
    experiment_periods.ends_at
from enrolments
inner join experiment_periods on enrolments.experiment = experiment_periods.experiment
-- A customer who was in two arms is in neither.
where enrolments.arm_count = 1
