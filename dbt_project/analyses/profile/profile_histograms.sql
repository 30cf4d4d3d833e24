-- Actions and days since the last action of customers, and customers and newest prices of products, in bins that double.
-- Values below 1 have bin -1; prices have lower bins down to one cent, and lower prices count as one cent. Products
-- without a price are left out.
with measured_values as (

    select 'customer_actions' as measure, cast(action_count as {{ type_double() }}) as value
    from {{ ref('feat_user_activity') }}
    where cutoff = 'now'

    union all

    select 'customer_recency_days' as measure, recency_days as value
    from {{ ref('feat_user_activity') }}
    where cutoff = 'now'

    union all

    select 'product_customers' as measure, coalesce(popularity.user_count, 0) as value
    from {{ ref('dim_products') }} as products
    left join {{ ref('feat_product_popularity') }} as popularity
        on products.product_id = popularity.product_id
        and popularity.cutoff = 'now'

    union all

    select 'product_price' as measure, price as value
    from {{ ref('dim_products') }}
    where price > 0

),

binned_values as (

    select
        measure,
        value,
        case
            when measure != 'product_price' and value < 1 then -1
            else {{ log2_bin('case when value < 0.01 then 0.01 else value end') }}
        end as bin_number
    from measured_values

)

select
    measure,
    bin_number,
    count(*) as value_count,
    min(value) as min_value,
    max(value) as max_value
from binned_values
group by measure, bin_number
order by measure, bin_number
