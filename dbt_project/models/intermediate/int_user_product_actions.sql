{{ config(materialized='view') }}

-- A purchase counts once, as a transaction. Events of type purchase are left out, because a click on 'buy' is not a sale.
with unioned as (

    select
        user_id,
        product_id,
        event_type as action_type,
        event_type as weight_event_type,
        event_at as action_at,
        _row_date as action_date,
        1.0 as weight_factor,
        cast(null as {{ type_double() }}) as quantity,
        price,
        device,
        session_id,
        cast(null as {{ dbt.type_string() }}) as transaction_id,
        _line,
        _load_id
    from {{ ref('int_events_classified') }}
    where row_status = 'clean' and event_type != 'purchase' and {{ is_in_sample('user_id') }}

    union all

    select
        transactions.user_id,
        transactions.product_id,
        case when transactions.is_return then 'return' else 'purchase' end as action_type,
        'purchase' as weight_event_type,
        transactions.purchased_at as action_at,
        transactions.purchase_date as action_date,
        case when transactions.is_return then -return_purchase_counts.returned_purchase_count else 1.0 end
            as weight_factor,
        transactions.quantity,
        transactions.price,
        transactions.device,
        transactions.session_id,
        transactions.transaction_id,
        transactions._line,
        transactions._load_id
    from {{ ref('int_transactions_unioned') }} as transactions
    left join {{ ref('int_return_purchase_counts') }} as return_purchase_counts
        on transactions._load_id = return_purchase_counts._load_id
        and transactions._line = return_purchase_counts._line

)

select
    unioned.user_id,
    unioned.product_id,
    unioned.action_type,
    unioned.weight_event_type,
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
inner join {{ ref('event_weights') }} as event_weights on unioned.weight_event_type = event_weights.event_type
