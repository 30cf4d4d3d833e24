with known_prices as (

    select
        product_id,
        version,
        valid_from,
        price,
        currency,
        lag(price) over (partition by product_id order by version) as previous_price
    from {{ ref('dim_product_history') }}
    where price is not null

)

select
    product_id,
    valid_from,
    price,
    currency,
    previous_price,
    lead(version) over (partition by product_id order by version) is null as is_current
from known_prices
where previous_price is null or price != previous_price
