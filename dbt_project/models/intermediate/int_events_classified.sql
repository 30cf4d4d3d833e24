with events as (

    select * from {{ ref('stg_shop__events') }}

),

known_products as (

    select distinct product_id from {{ ref('int_products_unioned') }}

),

-- A repeat is a row that says in every column, undeclared ones included, what an earlier row of the same feed said.
{{ copies_numbered('events', [
    'event_id', 'user_id', 'product_id', 'event_type', 'event_at', 'device', 'session_id',
    'transaction_id', 'quantity', 'price', 'product_name', 'category', 'brand',
    'unreadable_event_type', 'unreadable_event_at', 'unreadable_quantity', 'unreadable_price',
]) }},

checked as (

    select
        numbered.*,
        {{ broken_rules({
            'missing_user': 'user_id is null and not is_transaction',
            'missing_product': 'numbered.product_id is null',
            'unknown_product': 'numbered.product_id is not null and known_products.product_id is null',
            'unknown_event_type': 'event_type is null',
            'bad_timestamp': 'event_at is null',
            'bad_quantity': 'is_transaction and (quantity = 0 or unreadable_quantity is not null)',
            'bad_price': 'is_transaction and (price < 0 or unreadable_price is not null)',
        }) }} as broken_rules
    from numbered
    left join known_products on numbered.product_id = known_products.product_id

),

final as (

    select
        event_id,
        user_id,
        product_id,
        event_type,
        event_at,
        device,
        session_id,
        transaction_id,
        quantity,
        price,
        is_transaction,
        cancelled_transaction_prefix,
        unreadable_event_type,
        unreadable_event_at,
        unreadable_quantity,
        unreadable_price,
        case
            when copy_number > 1 then 'duplicate'
            when broken_rules is not null then 'quarantined'
            else 'clean'
        end as row_status,
        case when copy_number = 1 then broken_rules end as reasons,
        _extra,
        _feed,
        _file,
        _line
    from checked

)

select * from final
