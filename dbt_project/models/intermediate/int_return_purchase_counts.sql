with transactions as (

    select * from {{ ref('int_transactions_unioned') }}

),

-- Only pairs of user and product with a return need their purchases.
returned_pairs as (

    select distinct user_id, product_id from transactions
    where is_return and user_id is not null

),

-- Purchases and pieces of the pair up to each line, purchases at the same time included.
running_purchases as (

    select
        transactions.*,
        count(case when not transactions.is_return then 1 end) over up_to_row as purchase_count,
        cast(
            sum(
                {{ cast_to_decimal('case when transactions.is_return then 0 else transactions.quantity end') }}
            ) over up_to_row as {{ type_double() }}
        ) as purchased_quantity
    from transactions
    inner join returned_pairs
        on transactions.user_id = returned_pairs.user_id
        and transactions.product_id = returned_pairs.product_id
    window up_to_row as (
        partition by transactions.user_id, transactions.product_id
        order by transactions.purchased_at
        range between unbounded preceding and current row
    )

)

select
    _line,
    _load_id,
    case
        when purchase_count = 0 then 1.0
        when -quantity >= purchased_quantity then 1.0 * purchase_count
        else -quantity / purchased_quantity * purchase_count
    end as returned_purchase_count
from running_purchases
where is_return

union all

select _line, _load_id, 1.0 as returned_purchase_count
from transactions
where is_return and user_id is null
