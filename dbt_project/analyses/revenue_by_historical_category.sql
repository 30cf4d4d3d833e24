-- Revenue by the category that a product had at the time of the sale: a join with the product history as of each sale.
with transactions as (

    select * from {{ ref('fct_transactions') }}

),

versions as (

    select * from {{ ref('dim_product_history') }}

),

final as (

    select
        versions.category as historical_category,
        sum(transactions.amount) as revenue,
        sum(transactions.quantity) as pieces,
        count(*) as purchase_lines
    from transactions
    left join versions
        on transactions.product_id = versions.product_id
        and {{ valid_at('versions', 'transactions.purchased_at') }}
    group by versions.category

)

select * from final
order by revenue desc
