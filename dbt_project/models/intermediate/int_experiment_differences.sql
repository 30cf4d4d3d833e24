-- Each arm beside the control. The theta of the adjustment is that of both arms together, so that it depends on no arm.
with pairs as (

    select
        arms.experiment,
        arms.arm,
        arms.metric,
        arms.customers,
        control.customers as control_customers,
        least(arms.customers_with_value, control.customers_with_value) as customers_with_value,
        arms.value,
        control.value as control_value,
        arms.value - control.value as difference,
        arms.value_before - control.value_before as difference_before,
        arms.variance,
        control.variance as control_variance,
        arms.variance_before,
        control.variance_before as control_variance_before,
        arms.covariance,
        control.covariance as control_covariance,
        coalesce({{ safe_divide(
            'arms.customers * arms.covariance + control.customers * control.covariance',
            'arms.customers * arms.variance_before + control.customers * control.variance_before',
        ) }}, 0) as theta
    from {{ ref('int_experiment_metrics') }} as arms
    inner join {{ ref('int_experiment_metrics') }} as control
        on arms.experiment = control.experiment
        and arms.metric = control.metric
        and control.arm = 'control'
    where arms.arm != 'control'

),

-- Without history, theta is 0 and the adjusted difference is the plain one.
adjusted as (

    select
        *,
        difference - coalesce(theta * difference_before, 0) as adjusted_difference,
        (variance - coalesce(2 * theta * covariance - theta * theta * variance_before, 0))
        / customers as adjusted_squared_error,
        (control_variance - coalesce(2 * theta * control_covariance - theta * theta * control_variance_before, 0))
        / control_customers as control_squared_error
    from pairs

)

select
    experiment,
    arm,
    metric,
    customers,
    control_customers,
    customers_with_value,
    value,
    control_value,
    difference,
    sqrt(variance / customers + control_variance / control_customers) as standard_error,
    adjusted_difference,
    round(sqrt({{ not_negative('adjusted_squared_error + control_squared_error') }}), 9) as adjusted_standard_error,
    round(sqrt({{ not_negative('control_squared_error') }}), 9) as control_standard_error
from adjusted
