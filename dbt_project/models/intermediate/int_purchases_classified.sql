with purchases as (

    select * from {{ ref('stg_shop__purchases') }}

),

known_products as (

    select distinct product_id from {{ ref('int_products_unioned') }}

),

-- A repeat is a line that says in every column, undeclared ones included, what an earlier line of the same feed said.
{{ copies_numbered('purchases', [
    'transaction_id', 'user_id', 'product_id', 'quantity', 'price', 'purchased_at',
    'product_name', 'category', 'brand',
    'unreadable_quantity', 'unreadable_price', 'unreadable_purchased_at',
]) }},

checked as (

    select
        numbered.*,
        {{ broken_rules({
            'missing_product': 'numbered.product_id is null',
            'unknown_product': 'numbered.product_id is not null and known_products.product_id is null',
            'bad_timestamp': 'purchased_at is null',
            'bad_quantity': 'quantity = 0 or unreadable_quantity is not null',
            'bad_price': 'price < 0 or unreadable_price is not null',
        }) }} as broken_rules
    from numbered
    left join known_products on numbered.product_id = known_products.product_id

),

final as (

    select
        transaction_id,
        user_id,
        product_id,
        quantity,
        price,
        purchased_at,
        cancelled_transaction_prefix,
        unreadable_quantity,
        unreadable_price,
        unreadable_purchased_at,
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
