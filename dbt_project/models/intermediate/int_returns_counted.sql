with transactions as (

    select * from {{ ref('int_transactions_unioned') }}

),

returned as (

    select distinct
        user_id,
        product_id
    from transactions
    where is_return and user_id is not null

),

their_transactions as (

    select transactions.*
    from transactions
    inner join returned
        on transactions.user_id = returned.user_id
        and transactions.product_id = returned.product_id

),

-- What the customer had bought of the product by then, purchases of the same instant included and later ones not.
bought as (

    select
        *,
        count(case when not is_return then 1 end) over so_far as purchase_count,
        cast(
            sum({{ exact('case when not is_return then quantity else 0 end') }}) over so_far as {{ type_double() }}
        ) as bought_quantity
    from their_transactions
    window so_far as (
        partition by user_id, product_id
        order by purchased_at
        range between unbounded preceding and current row
    )

),

final as (

    select
        _line,
        _load_id,
        case
            when purchase_count = 0 then 1.0
            when -quantity >= bought_quantity then 1.0 * purchase_count
            else -quantity / bought_quantity * purchase_count
        end as purchases
    from bought
    where is_return

    union all

    select
        _line,
        _load_id,
        1.0 as purchases
    from transactions
    where is_return and user_id is null

)

select * from final
