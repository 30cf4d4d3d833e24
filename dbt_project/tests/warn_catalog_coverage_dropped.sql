{{ config(severity='warn', meta={'dagster': {'ref': {'name': 'eval_model_runs'}}}) }}

-- Warns when the serving model's coverage in its test window is below that of the previous model by more than
-- max_coverage_drop.
{% set dropped %}
    select
        run_id,
        {{ format_percent('coverage_at_10') }} as coverage,
        {{ format_percent('previous_coverage') }} as previous_coverage
    from {{ ref('eval_model_runs') }}
    where is_serving and coverage_at_10 < (1 - {{ var('max_coverage_drop') }}) * previous_coverage
{% endset %}

{% for row in run_test_query(dropped) %}
    {% do exceptions.warn(
        'catalog coverage of model ' ~ row['run_id'] ~ ' is ' ~ row['coverage'] ~ ', of the previous model '
        ~ row['previous_coverage']
    ) %}
{% endfor %}

{{ dropped }}
