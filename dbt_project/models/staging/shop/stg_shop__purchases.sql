{% set feeds = declared_feeds('purchases') %}

with source as (

    select * from {{ source('raw', 'purchases') }}

),

feeds as (

    select * from {{ source('raw', 'feeds') }}

),

files as (

    select load_id, loaded_at from {{ source('raw', 'loaded_files') }}

),

typed as (

    select
        {{ clean_text('source.transaction_id') }} as transaction_id,
        {{ clean_user_id('source.user_id') }} as user_id,
        {{ clean_text('source.product_id') }} as product_id,
        {{ clean_text('source.quantity') }} as quantity_text,
        {{ parse_number('source.quantity', 'source._feed', feeds) }} as quantity,
        {{ clean_text('source.price') }} as price_text,
        {{ parse_number('source.price', 'source._feed', feeds) }} as price,
        {{ clean_text('source.purchased_at') }} as purchased_at_text,
        {{ parse_timestamp('source.purchased_at', 'source._feed', feeds) }} as purchased_at,
        {{ clean_text('source.product_name') }} as product_name,
        lower({{ clean_text('source.category') }}) as category,
        lower({{ clean_text('source.brand') }}) as brand,
        feeds.carries_products,
        feeds.declaration as _declaration,
        files.loaded_at,
        source._extra,
        source._feed,
        source._file,
        source._line,
        source._load_id
    from source
    left join feeds on source._feed = feeds.feed
    left join files on source._load_id = files.load_id

),

checked as (

    select
        *,
        {{ plausible_timestamp('purchased_at', 'loaded_at') }} as plausible_purchased_at
    from typed

),

final as (

    select
        transaction_id,
        user_id,
        product_id,
        quantity,
        price,
        plausible_purchased_at as purchased_at,
        product_name,
        category,
        brand,
        case when quantity is null then quantity_text end as unreadable_quantity,
        case when price is null then price_text end as unreadable_price,
        case when plausible_purchased_at is null then purchased_at_text end as unreadable_purchased_at,
        coalesce(carries_products, false) as carries_product_facts,
        _extra,
        _feed,
        _file,
        _line,
        _load_id,
        _declaration
    from checked

)

select * from final
