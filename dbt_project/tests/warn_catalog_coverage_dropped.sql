{{ config(severity='warn', meta={'dagster': {'ref': {'name': 'eval_model_runs'}}}) }}

-- Warns when the serving model's coverage in its test window is below that of the previous model by more than
-- max_coverage_drop.
select
    concat(
        'catalog coverage of model ', run_id, ' is ', {{ format_percent('coverage_at_10') }},
        ', of the previous model ', {{ format_percent('previous_coverage') }}
    ) as message
from {{ ref('eval_model_runs') }}
where is_serving and coverage_at_10 < (1 - {{ var('max_coverage_drop') }}) * previous_coverage
