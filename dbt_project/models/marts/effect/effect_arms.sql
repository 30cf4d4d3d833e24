-- Customers of each arm beside the declared share. A deviation of four standard errors has a probability of 0.00006; an
-- arm with more has lost or gained customers by an error, and its differences mean nothing (sample ratio mismatch).
with arm_customers as (

    select
        experiment,
        arm,
        count(*) as customers,
        min(enrolled_at) as first_enrolled_at
    from {{ ref('int_experiment_customers') }}
    group by experiment, arm

),

shares as (

    select
        arms.*,
        coalesce(arm_customers.customers, 0) as customers,
        cast(
            sum(coalesce(arm_customers.customers, 0)) over (partition by arms.experiment) as {{ dbt.type_bigint() }}
        ) as experiment_customers,
        arm_customers.first_enrolled_at
    from {{ ref('int_experiment_arms') }} as arms
    left join arm_customers on arms.experiment = arm_customers.experiment and arms.arm = arm_customers.arm

),

deviations as (

    select
        *,
        {{ safe_divide(
            'customers - experiment_customers * expected_share',
            'sqrt(experiment_customers * expected_share * (1 - expected_share))',
        ) }} as standard_deviations
    from shares

)

select
    *,
    -- With fewer expected customers, the distribution is not close to a normal one.
    coalesce(abs(standard_deviations) > 4 and experiment_customers * expected_share >= 10, false) as is_mismatch
from deviations
