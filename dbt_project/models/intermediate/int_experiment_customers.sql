-- A customer takes part from the first list of the arm on; in an arm without lists, from the first empty list on. The
-- measurement ends with the experiment or with the data.
with enrolments as (

    select
        experiment,
        user_id,
        min(arm) as arm,
        count(distinct arm) as arm_count,
        min(published_at) as enrolled_at
    from {{ ref('fct_recommendation_lists') }}
    where experiment is not null
    group by experiment, user_id

),

experiment_ends as (

    select
        experiments.experiment,
        -- least ignores the null of an experiment without an end.
        least(max(cast(experiments.ends_on as {{ dbt.type_timestamp() }})), max(cutoffs.as_of)) as ends_at
    from {{ ref('int_experiments') }} as experiments
    inner join {{ ref('int_feature_cutoffs') }} as cutoffs on cutoffs.cutoff = 'now'
    group by experiments.experiment

)

select
    enrolments.experiment,
    enrolments.arm,
    enrolments.user_id,
    enrolments.enrolled_at,
    {{ dbt.dateadd('day', -var('effect_days_before'), 'enrolments.enrolled_at') }} as history_starts_at,
    experiment_ends.ends_at
from enrolments
inner join experiment_ends on enrolments.experiment = experiment_ends.experiment
-- A customer who was in two arms is in neither.
where enrolments.arm_count = 1 and enrolments.enrolled_at < experiment_ends.ends_at
