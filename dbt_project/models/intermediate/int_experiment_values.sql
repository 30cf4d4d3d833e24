{{ config(materialized='view') }}

-- noqa: disable=LT02
-- Numerator and denominator of each metric and customer, in the experiment and in the time before it.
{% for metric, ratio in dict(experiment_metrics(), **uncapped_experiment_metrics()).items() %}
select
    experiment,
    arm,
    user_id,
    '{{ metric }}' as metric,
    {% for period in ['is_in_experiment', 'not is_in_experiment'] -%}
    {% set suffix = '' if period == 'is_in_experiment' else '_before' -%}
    sum(case when {{ period }} then {{ ratio.numerator }} end) as numerator{{ suffix }},
    sum(case when {{ period }} then {{ ratio.denominator }} end) as denominator{{ suffix }}{{ ',' if not loop.last }}
    {% endfor %}
from {{ ref('int_experiment_sums') }}
group by experiment, arm, user_id
{{ 'union all' if not loop.last }}
{% endfor %}
