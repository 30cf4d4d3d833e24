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
having {{ has_experiment_ended('max(arms.ends_on)', 'max(cutoffs.last_date)') }}
order by arms.experiment
