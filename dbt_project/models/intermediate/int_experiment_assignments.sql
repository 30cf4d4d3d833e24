-- Without an active experiment, no bucket is computed.
with participants as (

    select
        users.user_id,
        experiments.experiment,
        {{ experiment_bucket('experiments.experiment', 'arm', 'users.user_id') }} * experiments.total_share_units
            as scaled_arm_bucket
    from {{ ref('dim_users') }} as users
    cross join (
        select distinct experiment, total_share_units from {{ ref('int_active_experiments') }}
    ) as experiments
    where
        {{ experiment_bucket('experiments.experiment', 'participation', 'users.user_id') }}
        < experiments.total_share_units

)

select
    participants.user_id,
    arms.experiment,
    arms.arm,
    arms.policy,
    arms.run_id_prefix,
    arms.rule_set
from participants
inner join {{ ref('int_active_experiments') }} as arms
    on participants.experiment = arms.experiment
    and participants.scaled_arm_bucket >= (arms.cumulative_share_units - arms.share_units) * 10000
    and participants.scaled_arm_bucket < arms.cumulative_share_units * 10000
