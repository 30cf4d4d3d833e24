-- noqa: disable=LT02
-- Each metric of an arm beside the control, counted from the start of the experiment to each of its days.
with changes as (

    select * from {{ ref('int_experiment_day_changes') }}

),

-- An arm also has the days on which only another arm changed.
arm_days as (

    select
        arms.experiment,
        arms.arm,
        arms.metric,
        days.day
    from (select distinct experiment, arm, metric from changes) as arms
    inner join (select distinct experiment, day from changes) as days on arms.experiment = days.experiment

),

arm_sums as (

    select
        arm_days.experiment,
        arm_days.arm,
        arm_days.metric,
        arm_days.day,
        {% for sum in [
            'customers', 'numerator', 'denominator', 'numerator_squares', 'denominator_squares', 'cross_products'
        ] -%}
        sum(coalesce(changes.{{ sum }}, 0)) over (
            partition by arm_days.experiment, arm_days.arm, arm_days.metric order by arm_days.day
        ) as {{ sum }}{{ ',' if not loop.last }}
        {% endfor %}
    from arm_days
    left join changes
        on arm_days.experiment = changes.experiment
        and arm_days.arm = changes.arm
        and arm_days.metric = changes.metric
        and arm_days.day = changes.day

),

arm_values as (

    select
        *,
        {{ safe_divide('numerator', 'denominator') }} as value
    from arm_sums

),

-- The deviations numerator - value * denominator have the mean 0, so their squares alone give the variance of the delta
-- method (int_experiment_metrics).
arm_errors as (

    select
        *,
        customers * greatest(
            numerator_squares - 2 * value * cross_products + value * value * denominator_squares, 0
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
