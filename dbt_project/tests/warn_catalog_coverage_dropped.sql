{{ config(severity='warn', meta={'dagster': {'ref': {'name': 'eval_quality_by_day'}}}) }}

-- Warns when the lists of the serving model's test window show much less of the catalog than those of the model that served
-- before it (max_coverage_drop); it is said in words when the test runs.
{% set dropped %}
    select
        run_id,
        {{ format_percent('coverage_at_10') }} as coverage,
        {{ format_percent('previous_coverage') }} as previous_coverage
    from {{ ref('eval_quality_by_day') }}
    where is_serving and coverage_at_10 < (1 - {{ var('max_coverage_drop') }}) * previous_coverage
{% endset %}

{% for row in run_test_query(dropped) %}
    {% do exceptions.warn(
        'model ' ~ row['run_id'] ~ ' shows ' ~ row['coverage'] ~ ' of the catalog in its lists, the one before it '
        ~ row['previous_coverage']
    ) %}
{% endfor %}

{{ dropped }}
