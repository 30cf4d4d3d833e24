{{ config(meta={'dagster': {'ref': {'name': 'effect_arms'}}}) }}

-- Stops a build with an arm of a running experiment whose share of the customers deviates from the declared one. The message
-- has no count that changes daily, so that an acceptance holds.

select
    concat(
        'experiment ', arms.experiment, ', arm ', arms.arm, ': the customers are not the declared share of ',
        {{ format_percent('arms.expected_share') }},
        ' (`recomart effect` shows their number). End the experiment with ends_on'
    ) as message
from {{ ref('effect_arms') }} as arms
inner join {{ ref('int_feature_cutoffs') }} as cutoffs on cutoffs.cutoff = 'now'
where arms.is_mismatch and not coalesce({{ has_experiment_ended('arms.ends_on', 'cutoffs.last_date') }}, false)
