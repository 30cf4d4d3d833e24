{{ config(materialized='view') }}

select
    assignments.user_id,
    assignments.experiment,
    assignments.arm,
    assignments.policy,
    arms.run_id
from {{ ref('int_experiment_assignments') }} as assignments
inner join {{ ref('rec_experiments') }} as arms
    on assignments.experiment = arms.experiment
    and assignments.arm = arms.arm
