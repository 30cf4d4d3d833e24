{{ config(meta={'dagster': {'ref': {'name': 'rec_top_n'}}}) }}

-- Stops a run before publishing when too many customers have no list. Customers in an experiment's arm without lists do not
-- count.
select
    concat(
        'only ', count(lists.user_id), ' of ', count(*), ' customers have a list: the minimum share is ',
        '{{ var('min_customers_served_share') }} (min_customers_served_share in dbt_project/dbt_project.yml). ',
        'Blocks and caps exclude too many products, or customers have bought everything and no repurchase rule ',
        'allows a product again. Check the rules with `recomart rules list`'
    ) as message
from {{ ref('int_user_policies') }} as users
left join (select distinct user_id from {{ ref('rec_top_n') }}) as lists on users.user_id = lists.user_id
where users.has_list and users.user_id != {{ anonymous_user_id() }}
having count(lists.user_id) < {{ var('min_customers_served_share') }} * count(*)
