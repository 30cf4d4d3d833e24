-- noqa: disable=LT02
{% set measures = [
    'impressions', 'clicks', 'purchase_lines', 'return_lines', 'orders', 'order_categories', 'pieces', 'revenue',
    'active_days',
] %}
{% set metrics = experiment_metrics() %}
{% set customer_window = 'partition by experiment, user_id order by day' %}

-- Customers have a row only for the enrolment and for days on which they acted: the sums of an arm, also those of squares,
-- grow by what the customers of the day add to them.
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
        sum({{ measure }}) over ({{ customer_window }}) as {{ measure }}{{ ',' if not loop.last }}
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
        cast({{ ratio.numerator }} as {{ type_double() }}) as {{ metric }}_n,
        cast({{ ratio.denominator }} as {{ type_double() }}) as {{ metric }}_d{{ ',' if not loop.last }}
        {% endfor %}
    from customer_sums

),

changes as (

    select
        {% for metric in metrics -%}
        lag({{ metric }}_n, 1, 0) over ({{ customer_window }}) as {{ metric }}_n_before,
        lag({{ metric }}_d, 1, 0) over ({{ customer_window }}) as {{ metric }}_d_before,
        {% endfor -%}
        ratios.*
    from ratios

)

{% for metric in metrics -%}
{% set n, d = metric ~ '_n', metric ~ '_d' -%}
select
    experiment,
    arm,
    '{{ metric }}' as metric,
    day,
    sum(customers) as customers,
    sum({{ n }} - {{ n }}_before) as numerator,
    sum({{ d }} - {{ d }}_before) as denominator,
    sum({{ n }} * {{ n }} - {{ n }}_before * {{ n }}_before) as numerator_squares,
    sum({{ d }} * {{ d }} - {{ d }}_before * {{ d }}_before) as denominator_squares,
    sum({{ n }} * {{ d }} - {{ n }}_before * {{ d }}_before) as cross_products
from changes
group by experiment, arm, day
{{ 'union all' if not loop.last }}
{% endfor %}
