{#- Of each arm. With fewer, the distribution of the difference is not close to a normal one. -#}
{% set min_customers = 10 %}

-- 1.96 is the 97.5 % quantile of the standard normal distribution, 0.84 the 80 % quantile. The verdict about the other eight
-- metrics uses 2.73, the 95 % quantile for eight comparisons (Bonferroni): of eight metrics without an effect, one often has
-- an interval without 0.
with experiment_states as (

    select
        arms.experiment,
        max(arms.ends_on) as ends_on,
        {{ has_experiment_ended('max(arms.ends_on)', 'max(cutoffs.last_date)') }} as has_ended,
        max(arms.is_mismatch) as has_mismatch
    from {{ ref('effect_arms') }} as arms
    inner join {{ ref('int_feature_cutoffs') }} as cutoffs on cutoffs.cutoff = 'now'
    group by arms.experiment

),

estimates as (

    select
        differences.*,
        uncapped.difference as uncapped_difference,
        differences.metric = '{{ var("primary_metric") }}' as is_primary,
        case when differences.metric = '{{ var("primary_metric") }}' then 1.96 else 2.73 end as verdict_quantile
    from {{ ref('int_experiment_differences') }} as differences
    left join {{ ref('int_experiment_differences') }} as uncapped
        on differences.experiment = uncapped.experiment
        and differences.arm = uncapped.arm
        and uncapped.metric = 'uncapped_' || differences.metric
    where differences.metric not like 'uncapped%'

),

verdicts as (

    select
        estimates.experiment,
        estimates.arm,
        estimates.metric,
        case
            when experiment_states.has_mismatch then 'invalid: an arm has not its share of the customers'
            when experiment_states.ends_on is null then 'no verdict without an end'
            when not experiment_states.has_ended
                then concat('no verdict before the end on ', cast(experiment_states.ends_on as {{ dbt.type_string() }}))
            when coalesce(estimates.adjusted_standard_error, 0) = 0 then 'not measured'
            when estimates.customers_with_value < {{ min_customers }}
                then 'not measured: an arm has fewer than {{ min_customers }} customers with a value other than 0'
            when abs(estimates.adjusted_difference) <= estimates.verdict_quantile * estimates.adjusted_standard_error
                then 'no effect seen'
            when estimates.adjusted_difference > 0 then 'higher than in the control'
            else 'lower than in the control'
        end as verdict
    from estimates
    inner join experiment_states on estimates.experiment = experiment_states.experiment

),

-- The parts of the interval of a ratio of two uncertain values (Fieller, Some problems in interval estimation, JRSS B 1954). The
-- interval excludes 1 when that of the difference excludes 0. It has bounds when the control's interval excludes 0.
ratios as (

    select
        *,
        control_value + adjusted_difference as adjusted_value,
        1.96 * 1.96 * (
            adjusted_standard_error * adjusted_standard_error - control_standard_error * control_standard_error
        ) as squared_width,
        case
            when control_value > 1.96 * control_standard_error
                then 1.96 * 1.96 * control_standard_error * control_standard_error
        end as squared_control_width
    from estimates

),

lifts as (

    select
        *,
        control_value * adjusted_value / (control_value * control_value - squared_control_width) - 1 as middle_lift,
        sqrt(
            control_value * control_value * squared_width
            + adjusted_value * adjusted_value * squared_control_width
            - squared_width * squared_control_width
        ) / (control_value * control_value - squared_control_width) as half_width
    from ratios

)

select
    lifts.experiment,
    lifts.arm,
    lifts.metric,
    lifts.is_primary,
    lifts.customers,
    lifts.control_customers,
    lifts.value,
    lifts.control_value,
    lifts.difference,
    lifts.difference - 1.96 * lifts.standard_error as min_difference,
    lifts.difference + 1.96 * lifts.standard_error as max_difference,
    lifts.uncapped_difference,
    lifts.adjusted_difference,
    lifts.adjusted_difference - 1.96 * lifts.adjusted_standard_error as min_adjusted_difference,
    lifts.adjusted_difference + 1.96 * lifts.adjusted_standard_error as max_adjusted_difference,
    1 - {{ safe_divide(
        'lifts.adjusted_standard_error * lifts.adjusted_standard_error', 'lifts.standard_error * lifts.standard_error'
    ) }} as variance_reduction,
    {{ safe_divide('lifts.adjusted_difference', 'lifts.control_value') }} as lift,
    round(lifts.middle_lift - lifts.half_width, 9) as min_lift,
    round(lifts.middle_lift + lifts.half_width, 9) as max_lift,
    {{ safe_divide(
        '(lifts.verdict_quantile + 0.84) * lifts.adjusted_standard_error', 'lifts.control_value'
    ) }} as min_detectable_lift,
    verdicts.verdict in ('higher than in the control', 'lower than in the control') as has_effect,
    verdicts.verdict
from lifts
inner join verdicts
    on lifts.experiment = verdicts.experiment
    and lifts.arm = verdicts.arm
    and lifts.metric = verdicts.metric
