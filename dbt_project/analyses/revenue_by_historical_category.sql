-- Revenue by the category that a product had at the time of the sale: a join with the product history as of each sale.
select
    versions.category as historical_category,
    sum(transactions.amount) as revenue,
    sum(transactions.quantity) as pieces,
    count(*) as purchase_lines
from {{ ref('fct_transactions') }} as transactions
left join {{ ref('dim_product_history') }} as versions
    on transactions.product_id = versions.product_id
    and {{ valid_at('versions', 'transactions.purchased_at') }}
group by versions.category
order by revenue desc
