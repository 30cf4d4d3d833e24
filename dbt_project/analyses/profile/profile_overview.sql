-- Totals of the shop and the time span of its actions.
select
    (select count(*) from {{ ref('dim_users') }}) as customers,
    (select count(case when users.purchase_count > 0 then 1 end) from {{ ref('dim_users') }} as users) as buyers,
    (select count(*) from {{ ref('dim_products') }}) as products,
    (select count(*) from {{ ref('fct_events') }}) as events,
    count(distinct transaction_id) as transactions,
    count(*) as transaction_lines,
    count(case when is_return then 1 end) as return_lines,
    (select min(popularity.first_action_at) from {{ ref('feat_product_popularity') }} as popularity) as first_action_at,
    (select max(popularity.last_action_at) from {{ ref('feat_product_popularity') }} as popularity) as last_action_at
from {{ ref('fct_transactions') }}
