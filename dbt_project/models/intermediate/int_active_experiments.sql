{{ config(materialized='view') }}

with arms as (

    select
        {{ clean_text('name') }} as experiment,
        {{ clean_text('arm') }} as arm,
        {{ clean_text('policy') }} as policy,
        {{ share_units('share') }} as share_units,
        starts_on,
        ends_on
    from {{ experiment_rows() }}

)

select
    arms.experiment,
    arms.arm,
    arms.policy,
    {{ run_of_policy('arms.policy') }} as run_id_prefix,
    {{ rule_set_of_policy('arms.policy') }} as rule_set,
    arms.share_units,
    sum(arms.share_units) over (partition by arms.experiment order by arms.arm) as cumulative_share_units,
    sum(arms.share_units) over (partition by arms.experiment) as total_share_units,
    arms.starts_on,
    arms.ends_on,
    cutoffs.last_date as active_on
from arms
inner join {{ ref('int_feature_cutoffs') }} as cutoffs on cutoffs.cutoff = 'now'
where
    arms.starts_on <= cutoffs.last_date
    and (arms.ends_on is null or arms.ends_on > cutoffs.last_date)
