{{ config(meta={'dagster': {'ref': {'name': 'rec_top_n'}}}) }}

-- Stops a run before publishing when too many customers have no list. Dagster shows a test at an asset that the test
-- depends on: -- depends_on: {{ ref('rec_top_n') }}
{% set below_minimum %}
    with customers as (

        select
            count(*) as customers,
            count(lists.user_id) as served
        from {{ ref('dim_users') }} as users
        left join (select distinct user_id from {{ ref('rec_top_n') }}) as lists on users.user_id = lists.user_id

    )

    select *
    from customers
    where served < {{ var('min_customers_served_share') }} * customers
{% endset %}

{% for count in run_test_query(below_minimum) %}
    {% do exceptions.raise_compiler_error(
        'only ' ~ count['served'] ~ ' of ' ~ count['customers'] ~ ' customers have a list: the minimum share is '
        ~ var('min_customers_served_share') ~ ' (min_customers_served_share in dbt_project/dbt_project.yml). Blocks and caps '
        ~ 'exclude too many products, or customers have bought everything and repurchases.csv allows no product again. '
        ~ 'Check the rules in dbt_project/seeds/merchandising_rules'
    ) %}
{% endfor %}

{{ below_minimum }}
