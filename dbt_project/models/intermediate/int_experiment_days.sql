-- What a customer did on a day of an experiment, or of the days before it. The day of the enrolment can have two rows.
select
    customers.experiment,
    customers.arm,
    customers.user_id,
    cast(measures.measured_at as date) as day,
    measures.measured_at >= customers.enrolled_at as is_in_experiment,
    sum(measures.impressions) as impressions,
    sum(measures.clicks) as clicks,
    sum(measures.purchase_lines) as purchase_lines,
    sum(measures.return_lines) as return_lines,
    sum(measures.orders) as orders,
    sum(measures.order_categories) as order_categories,
    {{ exact_sum('measures.pieces') }} as pieces,
    {{ exact_sum('measures.revenue') }} as revenue,
    {{ exact_sum('measures.uncapped_pieces') }} as uncapped_pieces,
    {{ exact_sum('measures.uncapped_revenue') }} as uncapped_revenue,
    case when sum(measures.actions) > 0 then 1 else 0 end as active_days
from {{ ref('int_experiment_customers') }} as customers
inner join {{ ref('int_customer_measures') }} as measures
    on customers.user_id = measures.user_id
    and customers.history_starts_at <= measures.measured_at
    and customers.ends_at > measures.measured_at
group by
    customers.experiment,
    customers.arm,
    customers.user_id,
    cast(measures.measured_at as date),
    measures.measured_at >= customers.enrolled_at
