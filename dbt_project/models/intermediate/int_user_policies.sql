{{ config(materialized='view') }}

select
    users.user_id,
    users.favourite_category,
    users.segment,
    coalesce(assignments.rule_set, '') as rule_set,
    coalesce(assignments.policy != 'none', true) as has_list,
    case when assignments.user_id is null then runs.run_id else arms.run_id end as run_id
from {{ ref('int_user_segments') }} as users
left join {{ ref('int_experiment_assignments') }} as assignments on users.user_id = assignments.user_id
left join {{ ref('rec_experiments') }} as arms
    on assignments.experiment = arms.experiment
    and assignments.arm = arms.arm
left join {{ ref('stg_ml__model_runs') }} as runs on runs.is_serving
