-- Totals of the shop and the time span of its actions.
with actions as (

    select
        min(first_action_at) as first_action_at,
        max(last_action_at) as last_action_at
    from {{ ref('feat_product_popularity') }}
    where cutoff = 'now'

),

users as (

    select
        count(*) as customers,
        count(case when purchase_count > 0 then 1 end) as buyers
    from {{ ref('dim_users') }}

),

products as (

    select count(*) as products from {{ ref('dim_products') }}

),

events as (

    select count(*) as events from {{ ref('fct_events') }}

),

transactions as (

    select
        count(*) as transaction_lines,
        count(case when is_return then 1 end) as return_lines,
        count(distinct transaction_id) as transactions
    from {{ ref('fct_transactions') }}

)

select
    users.customers,
    users.buyers,
    products.products,
    events.events,
    transactions.transactions,
    transactions.transaction_lines,
    transactions.return_lines,
    actions.first_action_at,
    actions.last_action_at
from users
cross join products
cross join events
cross join transactions
cross join actions
