{% set measures = [
    'impressions', 'clicks', 'actions', 'purchase_lines', 'return_lines', 'orders', 'order_categories', 'pieces', 'revenue',
    'uncapped_pieces', 'uncapped_revenue',
] %}

-- noqa: disable=LT02
-- What is counted of a customer of an experiment at an instant, from four tables; the measures of other tables are 0.
with
experiment_customers as (

    select distinct user_id from {{ ref('int_experiment_customers') }}

),

impressions as (

    select
        user_id,
        seen_at as measured_at,
        count(*) as impressions
    from {{ ref('fct_impressions') }}
    where user_id in (select customers.user_id from experiment_customers as customers)
    group by user_id, seen_at

),

clicks as (

    select user_id, action_at as measured_at, 1 as clicks from {{ ref('fct_recommended_actions') }}
    where action_type = 'click' and user_id in (select customers.user_id from experiment_customers as customers)

),

actions as (

    select
        user_id,
        action_at as measured_at,
        1 as actions,
        case when action_type = 'purchase' then 1 else 0 end as purchase_lines,
        case when action_type = 'return' then 1 else 0 end as return_lines
    from {{ ref('int_user_product_actions') }}
    where user_id in (select customers.user_id from experiment_customers as customers)

),

orders as (

    select
        user_id,
        ordered_at as measured_at,
        1 as orders,
        categories as order_categories,
        capped_pieces as pieces,
        capped_amount as revenue,
        pieces as uncapped_pieces,
        amount as uncapped_revenue
    from {{ ref('int_orders') }}
    where user_id in (select customers.user_id from experiment_customers as customers)

)

{% set measures_by_table = {
    'impressions': ['impressions'],
    'clicks': ['clicks'],
    'actions': ['actions', 'purchase_lines', 'return_lines'],
    'orders': ['orders', 'order_categories', 'pieces', 'revenue', 'uncapped_pieces', 'uncapped_revenue'],
} %}
{% for table, table_measures in measures_by_table.items() %}
select
    user_id,
    measured_at,
    {% for measure in measures -%}
    {{ measure if measure in table_measures else '0 as ' ~ measure }}{{ ',' if not loop.last }}
    {% endfor %}
from {{ table }}
{{ 'union all' if not loop.last }}
{% endfor %}
