{{ config(severity='warn', meta={'dagster': {'ref': {'name': 'fct_transactions'}}}) }}

-- Warns when the prices of a product grow with the quantity, as the totals of lines do. In a logarithmic scale, a total
-- has slope 1 and a price of one piece about 0, with a discount less.
with lines as (

    select
        _feed as feed,
        product_id,
        ln(quantity) as log_quantity,
        ln(cast(price as {{ type_double() }})) as log_price
    from {{ ref('fct_transactions') }}
    where quantity >= 1 and price > 0 and not is_return

),

deviations as (

    select
        feed,
        product_id,
        log_quantity,
        log_quantity - avg(log_quantity) over (partition by feed, product_id) as quantity_deviation,
        log_price - avg(log_price) over (partition by feed, product_id) as price_deviation
    from lines

),

slopes as (

    select
        feed,
        {{ safe_divide(
            'sum(quantity_deviation * price_deviation)', 'sum(quantity_deviation * quantity_deviation)'
        ) }} as slope
    from deviations
    group by feed
    having
        count(case when log_quantity > 0 and abs(quantity_deviation) > 0.001 then 1 end) >= 100
        and count(distinct case when abs(quantity_deviation) > 0.001 then product_id end) >= 5

)

select
    concat(
        'price looks like the total of a line: ', feed, ': the prices of a product grow with the quantity (slope ',
        cast(slope as decimal(9, 2)), '; 1 for totals, 0 for prices of one piece). ',
        'If they are totals, map the column as line_total instead of price in the sources file'
    ) as message
from slopes
where slope > 0.5
order by feed
