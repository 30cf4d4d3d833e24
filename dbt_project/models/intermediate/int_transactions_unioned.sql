{{ config(materialized='view') }}

with unioned as (

    select
        transaction_id,
        cast(null as {{ dbt.type_string() }}) as session_id,
        user_id,
        product_id,
        quantity,
        price,
        purchased_at,
        _row_date as purchase_date,
        device,
        is_declared_return,
        _line,
        _load_id
    from {{ ref('int_purchases_classified') }}
    where row_status = 'clean' and {{ is_in_sample('user_id') }}

    union all

    select
        transaction_id,
        session_id,
        user_id,
        product_id,
        quantity,
        price,
        event_at as purchased_at,
        _row_date as purchase_date,
        device,
        is_declared_return,
        _line,
        _load_id
    from {{ ref('int_events_classified') }}
    where row_status = 'clean' and is_transaction and {{ is_in_sample('user_id') }}

),

-- A line is a return if its quantity is negative, its order id has the prefix of cancelled orders, or a declared column says
-- so.
flagged as (

    select
        unioned.*,
        unioned.is_declared_return
        or coalesce(unioned.quantity < 0, false)
        or coalesce(
            left(unioned.transaction_id, length(file_loads.cancelled_transaction_prefix))
            = file_loads.cancelled_transaction_prefix,
            false
        ) as is_return
    from unioned
    inner join {{ ref('int_file_loads') }} as file_loads on unioned._load_id = file_loads.load_id

)

select
    coalesce(
        transaction_id,
        session_id,
        {{ dbt.hash(
            "coalesce(user_id, 'nobody|' || product_id) || '|' || cast(purchased_at as " ~ dbt.type_string() ~ ")"
        ) }}
    ) as transaction_id,
    user_id,
    product_id,
    case when is_return then -abs(coalesce(quantity, 1)) else coalesce(quantity, 1) end as quantity,
    price,
    purchased_at,
    purchase_date,
    is_return,
    session_id,
    device,
    _line,
    _load_id
from flagged
