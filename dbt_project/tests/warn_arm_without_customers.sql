{{ config(severity='warn', meta={'dagster': {'ref': {'name': 'effect_arms'}}}) }}

-- Warns of arms without customers, from the second day of their experiment on: no list of the arm was logged, or none of its
-- customers took part before the newest data.
select
    concat(
        'experiment ', arms.experiment, ', arm ', arms.arm, ': no customers, although the experiment started on ',
        arms.starts_on
    ) as message
from {{ ref('effect_arms') }} as arms
inner join {{ ref('int_feature_cutoffs') }} as cutoffs on cutoffs.cutoff = 'now'
where arms.customers = 0 and arms.starts_on < cutoffs.last_date
order by arms.experiment, arms.arm
