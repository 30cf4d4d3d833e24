-- Value, variance and covariance of a metric in an arm. The value is a ratio of sums; its variance over the customers is
-- that of numerator - value * denominator, relative to the mean denominator (delta method: Deng, Knoblich and Lu, Applying
-- the delta method in metric analytics, KDD 2018).
with moments as (

    select
        experiment,
        arm,
        metric,
        count(*) as customers,
        count(case when numerator != 0 then 1 end) as customers_with_value,
        avg(numerator) as mean_numerator,
        avg(denominator) as mean_denominator,
        avg(numerator_before) as mean_numerator_before,
        avg(denominator_before) as mean_denominator_before,
        var_samp(numerator) as numerator_variance,
        var_samp(denominator) as denominator_variance,
        covar_samp(numerator, denominator) as ratio_covariance,
        var_samp(numerator_before) as numerator_before_variance,
        var_samp(denominator_before) as denominator_before_variance,
        covar_samp(numerator_before, denominator_before) as ratio_before_covariance,
        covar_samp(numerator, numerator_before) as numerators_covariance,
        covar_samp(denominator, denominator_before) as denominators_covariance,
        covar_samp(numerator, denominator_before) as numerator_denominator_before_covariance,
        covar_samp(denominator, numerator_before) as denominator_numerator_before_covariance
    from {{ ref('int_experiment_values') }}
    group by experiment, arm, metric

),

ratios as (

    select
        *,
        {{ safe_divide('mean_numerator', 'mean_denominator') }} as value,
        {{ safe_divide('mean_numerator_before', 'mean_denominator_before') }} as value_before
    from moments

),

statistics as (

    select
        experiment,
        arm,
        metric,
        customers,
        customers_with_value,
        value,
        value_before,
        (numerator_variance - 2 * value * ratio_covariance + value * value * denominator_variance)
        / (mean_denominator * mean_denominator) as variance,
        (
            numerator_before_variance
            - 2 * value_before * ratio_before_covariance
            + value_before * value_before * denominator_before_variance
        ) / (mean_denominator_before * mean_denominator_before) as variance_before,
        (
            numerators_covariance
            - value * denominator_numerator_before_covariance
            - value_before * numerator_denominator_before_covariance
            + value * value_before * denominators_covariance
        ) / (mean_denominator * mean_denominator_before) as covariance
    from ratios

)

-- Sums of floating-point numbers differ between parallel runs in their last digits.
select
    experiment,
    arm,
    metric,
    customers,
    customers_with_value,
    round(value, 9) as value,
    round(value_before, 9) as value_before,
    round({{ not_negative('variance') }}, 9) as variance,
    round({{ not_negative('variance_before') }}, 9) as variance_before,
    round(covariance, 9) as covariance
from statistics
