{{ config(severity='warn', meta={'dagster': {'ref': {'name': 'effect_arms'}}}) }}

-- Warns of experiments that have ended and are still declared: a decision about the lists of all customers is due.
select
    concat(
        'experiment ', arms.experiment, ' ended on ', max(arms.ends_on),
        ': `recomart effect` shows the result. Remove its rows from experiments.csv after the decision'
    ) as message
from {{ ref('effect_arms') }} as arms
inner join {{ ref('int_feature_cutoffs') }} as cutoffs on cutoffs.cutoff = 'now'
group by arms.experiment
having max(arms.ends_on) <= max(cast(cutoffs.as_of as date))
order by arms.experiment
