{{ config(materialized='view') }}

with events as (

    select * from {{ ref('int_events_classified') }}
    where row_status = 'clean'

),

transactions as (

    select * from {{ ref('int_transactions_unioned') }}

),

event_weights as (

    select * from {{ ref('event_weights') }}

),

-- What the customer had bought of the product by then, purchases of the same instant included and later ones not.
bought as (

    select
        *,
        count(case when not is_return then 1 end) over so_far as purchase_count,
        cast(
            sum({{ exact('case when not is_return then quantity else 0 end') }}) over so_far as {{ type_double() }}
        ) as bought_quantity
    from transactions
    window so_far as (
        partition by user_id, product_id
        order by purchased_at
        range between unbounded preceding and current row
    )

),

-- How many purchases a return takes back: of all purchases so far, the part that the returned pieces are of all pieces
-- bought so far. One when the data have no purchase before it, and when nobody knows who the buyer is.
counted as (

    select
        *,
        case
            when not is_return then 1.0
            when user_id is null or purchase_count = 0 then -1.0
            when -quantity >= bought_quantity then -1.0 * purchase_count
            else quantity / bought_quantity * purchase_count
        end as purchases
    from bought

),

-- A purchase counts once, as a transaction: a click on 'buy' is not yet a sale.
unioned as (

    select
        user_id,
        product_id,
        event_type as action_type,
        event_type as weighed_as,
        event_at as action_at,
        _day as action_date,
        1.0 as weight_factor,
        cast(null as {{ type_double() }}) as quantity,
        price,
        device,
        session_id,
        cast(null as {{ dbt.type_string() }}) as transaction_id,
        _line,
        _load_id
    from events
    where event_type != 'purchase'

    union all

    select
        user_id,
        product_id,
        case when is_return then 'return' else 'purchase' end as action_type,
        'purchase' as weighed_as,
        purchased_at as action_at,
        purchase_date as action_date,
        purchases as weight_factor,
        quantity,
        price,
        device,
        session_id,
        transaction_id,
        _line,
        _load_id
    from counted

),

final as (

    select
        unioned.user_id,
        unioned.product_id,
        unioned.action_type,
        unioned.weighed_as,
        unioned.action_at,
        unioned.action_date,
        event_weights.weight * unioned.weight_factor as weight,
        event_weights.half_life_days,
        unioned.quantity,
        unioned.price,
        unioned.device,
        unioned.session_id,
        unioned.transaction_id,
        unioned._line,
        unioned._load_id
    from unioned
    inner join event_weights on unioned.weighed_as = event_weights.event_type

)

select * from final
