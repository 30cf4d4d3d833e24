{% set measures = [
    'impressions', 'clicks', 'purchase_lines', 'return_lines', 'orders', 'order_categories', 'pieces', 'revenue',
    'uncapped_pieces', 'uncapped_revenue', 'active_days',
] %}

-- noqa: disable=LT02
-- One row per customer and period: the experiment, and the time before it. Customers who did nothing have zeros.
with periods as (

    select experiment, arm, user_id, true as is_in_experiment from {{ ref('int_experiment_customers') }}
    union all
    select experiment, arm, user_id, false as is_in_experiment from {{ ref('int_experiment_customers') }}

)

select
    periods.experiment,
    periods.arm,
    periods.user_id,
    periods.is_in_experiment,
    {% for measure in measures -%}
    {{ exact_sum('days.' ~ measure) }} as {{ measure }}{{ ',' if not loop.last }}
    {% endfor %}
from periods
left join {{ ref('int_experiment_days') }} as days
    on periods.experiment = days.experiment
    and periods.user_id = days.user_id
    and periods.is_in_experiment = days.is_in_experiment
group by periods.experiment, periods.arm, periods.user_id, periods.is_in_experiment
