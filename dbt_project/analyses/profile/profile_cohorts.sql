-- Returning customers: of the customers with their first action in a week, the number with an action n weeks later.
with active_weeks as (

    select distinct
        user_id,
        cast({{ dbt.date_trunc('week', 'action_at') }} as date) as active_week
    from {{ ref('int_user_product_actions') }}
    where user_id is not null

),

cohorts as (

    select
        *,
        min(active_week) over (partition by user_id) as cohort_week
    from active_weeks

)

select
    cohort_week,
    cast({{ dbt.datediff('cohort_week', 'active_week', 'day') }} / 7 as integer) as weeks_later,
    count(*) as customers
from cohorts
group by cohort_week, weeks_later
order by cohort_week, weeks_later
