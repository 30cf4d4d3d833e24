{{ config(meta={'dagster': {'ref': {'name': 'effect_arms'}}}) }}

select
    concat(
        'experiment ', experiment, ', arm ', arm, ': ', customers, ' of ', experiment_customers,
        ' customers, although its share is ', {{ format_percent('expected_share') }}
    ) as message
from {{ ref('effect_arms') }}
where is_mismatch
