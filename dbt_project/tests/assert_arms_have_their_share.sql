{{ config(meta={'dagster': {'ref': {'name': 'effect_arms'}}}) }}

-- Stops a build with an arm whose share of the customers deviates from the declared one.

select
    concat(
        'experiment ', experiment, ', arm ', arm, ': ', customers, ' of ', experiment_customers,
        ' customers, although its share is ', {{ format_percent('expected_share') }}
    ) as message
from {{ ref('effect_arms') }}
where is_mismatch
