-- noqa: disable=LT02
{% set measures = [
    'impressions', 'clicks', 'purchase_lines', 'return_lines', 'orders', 'order_categories', 'pieces', 'revenue',
    'active_days',
] %}
{% set customer = 'partition by experiment, user_id order by day' %}
{#- The uncapped metrics stand beside the capped ones in effect_experiments only. -#}
{% set metrics = {} %}
{% for metric, ratio in experiment_metrics().items() if not metric.startswith('uncapped_') %}
    {% do metrics.update({metric: ratio}) %}
{% endfor %}

-- Each metric of an arm beside the control, counted from the start of the experiment to each of its days. Customers have a
-- row only for the enrolment and for days on which they acted: the sums of an arm, also those of squares, grow by what the
-- customers of the day add to them.
with customer_days as (

    select
        experiment,
        arm,
        user_id,
        cast(enrolled_at as date) as day,
        1 as customers,
        {% for measure in measures -%}
        0 as {{ measure }}{{ ',' if not loop.last }}
        {% endfor %}
    from {{ ref('int_experiment_customers') }}

    union all

    select
        experiment,
        arm,
        user_id,
        day,
        0 as customers,
        {% for measure in measures -%}
        {{ measure }}{{ ',' if not loop.last }}
        {% endfor %}
    from {{ ref('int_experiment_days') }}
    where is_in_experiment

),

-- A customer's sums up to the day. Two rows of one day have the same sums, so that only the first of them changes any.
customer_sums as (

    select
        experiment,
        arm,
        user_id,
        day,
        customers,
        {% for measure in measures -%}
        sum({{ measure }}) over ({{ customer }}) as {{ measure }}{{ ',' if not loop.last }}
        {% endfor %}
    from customer_days

),

ratios as (

    select
        experiment,
        arm,
        user_id,
        day,
        customers,
        {% for metric, ratio in metrics.items() -%}
        cast({{ ratio.numerator }} as {{ type_double() }}) as {{ metric }}_numerator,
        cast({{ ratio.denominator }} as {{ type_double() }}) as {{ metric }}_denominator{{ ',' if not loop.last }}
        {% endfor %}
    from customer_sums

),

changes as (

    select
        *,
        {% for metric in metrics -%}
        {% for part in ['numerator', 'denominator'] -%}
        {% set column = metric ~ '_' ~ part -%}
        lag({{ column }}, 1, 0) over ({{ customer }}) as {{ column }}_before
        {{- ',' if not (loop.last and loop.revindex == 1 and metric == (metrics | list | last)) }}
        {% endfor -%}
        {% endfor %}
    from ratios

),

arm_changes as (

    select
        experiment,
        arm,
        day,
        sum(customers) as customers,
        {% for metric in metrics -%}
        {% set n = metric ~ '_numerator' -%}
        {% set d = metric ~ '_denominator' -%}
        sum({{ n }} - {{ n }}_before) as {{ n }},
        sum({{ d }} - {{ d }}_before) as {{ d }},
        sum({{ n }} * {{ n }} - {{ n }}_before * {{ n }}_before) as {{ n }}_squares,
        sum({{ d }} * {{ d }} - {{ d }}_before * {{ d }}_before) as {{ d }}_squares,
        sum({{ n }} * {{ d }} - {{ n }}_before * {{ d }}_before) as {{ metric }}_products{{ ',' if not loop.last }}
        {% endfor %}
    from changes
    group by experiment, arm, day

),

metric_changes as (

    {% for metric in metrics -%}
    select
        experiment,
        arm,
        day,
        customers,
        '{{ metric }}' as metric,
        {{ metric }}_numerator as numerator,
        {{ metric }}_denominator as denominator,
        {{ metric }}_numerator_squares as numerator_squares,
        {{ metric }}_denominator_squares as denominator_squares,
        {{ metric }}_products as products
    from arm_changes
    {{ 'union all' if not loop.last }}
    {% endfor %}

),

-- An arm also has the days on which only another arm changed.
arm_days as (

    select
        arms.experiment,
        arms.arm,
        arms.metric,
        days.day
    from (select distinct experiment, arm, metric from metric_changes) as arms
    inner join (select distinct experiment, day from metric_changes) as days on arms.experiment = days.experiment

),

arm_sums as (

    select
        arm_days.experiment,
        arm_days.arm,
        arm_days.metric,
        arm_days.day,
        {% for sum in [
            'customers', 'numerator', 'denominator', 'numerator_squares', 'denominator_squares', 'products'
        ] -%}
        sum(coalesce(metric_changes.{{ sum }}, 0)) over (
            partition by arm_days.experiment, arm_days.arm, arm_days.metric order by arm_days.day
        ) as {{ sum }}{{ ',' if not loop.last }}
        {% endfor %}
    from arm_days
    left join metric_changes
        on arm_days.experiment = metric_changes.experiment
        and arm_days.arm = metric_changes.arm
        and arm_days.metric = metric_changes.metric
        and arm_days.day = metric_changes.day

),

arm_values as (

    select
        *,
        {{ safe_divide('numerator', 'denominator') }} as value
    from arm_sums

),

-- The deviations numerator - value * denominator have the mean 0, so their squares alone give the variance of the delta
-- method (int_experiment_arms).
arm_errors as (

    select
        *,
        customers * greatest(
            numerator_squares - 2 * value * products + value * value * denominator_squares, 0
        ) / nullif((customers - 1) * denominator * denominator, 0) as squared_error
    from arm_values

),

differences as (

    select
        arms.experiment,
        arms.arm,
        arms.metric,
        arms.day,
        arms.customers,
        control.customers as control_customers,
        arms.value,
        control.value as control_value,
        arms.value - control.value as difference,
        sqrt(arms.squared_error + control.squared_error) as standard_error
    from arm_errors as arms
    inner join arm_errors as control
        on arms.experiment = control.experiment
        and arms.metric = control.metric
        and arms.day = control.day
        and control.arm = 'control'
    where arms.arm != 'control'

)

-- Sums of floating-point numbers differ between parallel runs in their last digits.
select
    experiment,
    arm,
    metric,
    day,
    cast(customers as {{ dbt.type_bigint() }}) as customers,
    cast(control_customers as {{ dbt.type_bigint() }}) as control_customers,
    round(value, 9) as value,
    round(control_value, 9) as control_value,
    round(difference, 9) as difference,
    round(difference - 1.96 * standard_error, 9) as min_difference,
    round(difference + 1.96 * standard_error, 9) as max_difference
from differences
