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

-- A purchase counts once, as a transaction: a click on 'buy' is not yet a sale.
unioned as (

    select
        user_id,
        product_id,
        event_type as action_type,
        event_type as weighed_as,
        event_at as action_at,
        cast(null as {{ type_double() }}) as quantity,
        price,
        device,
        session_id,
        _feed,
        _file,
        _line
    from events
    where event_type != 'purchase'

    union all

    select
        user_id,
        product_id,
        case when is_return then 'return' else 'purchase' end as action_type,
        'purchase' as weighed_as,
        purchased_at as action_at,
        quantity,
        price,
        device,
        session_id,
        _feed,
        _file,
        _line
    from transactions

),

final as (

    select
        unioned.user_id,
        unioned.product_id,
        unioned.action_type,
        unioned.action_at,
        case when unioned.action_type = 'return' then -event_weights.weight else event_weights.weight end as weight,
        event_weights.half_life_days,
        unioned.quantity,
        unioned.price,
        unioned.device,
        unioned.session_id,
        unioned._feed,
        unioned._file,
        unioned._line
    from unioned
    inner join event_weights on unioned.weighed_as = event_weights.event_type

)

select * from final
