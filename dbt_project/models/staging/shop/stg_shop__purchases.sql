{% set feeds = declared_feeds('purchases') %}
{% set has_join = has_joined_files(feeds) %}
{% set columns = [
    'transaction_id', 'user_id', 'product_id', 'quantity', 'price', 'purchased_at',
    'product_name', 'category', 'brand',
] %}

with cleaned as (

    {{ cleaned_rows(source('raw', 'purchases'), columns) }}

),

{% if has_join -%}
{{ rows_with_join('cleaned', columns, feeds) }},

{% endif -%}
typed as (

    select
        cleaned.transaction_id,
        {{ clean_user_id('cleaned.user_id') }} as user_id,
        cleaned.product_id,
        cleaned.quantity as quantity_text,
        {{ parse_number('cleaned.quantity', 'cleaned._feed', feeds) }} as quantity,
        cleaned.price as price_text,
        {{ parse_number('cleaned.price', 'cleaned._feed', feeds) }} as price,
        cleaned.purchased_at as purchased_at_text,
        {{ parse_timestamp('cleaned.purchased_at', 'cleaned._feed', feeds) }} as purchased_at,
        cleaned.product_name,
        lower(cleaned.category) as category,
        lower(cleaned.brand) as brand,
        feeds.carries_products,
        {{ is_left_out(feeds, 'cleaned') }} as is_excluded,
        {{ is_declared_return(feeds, 'cleaned') }} as is_declared_return,
        {{ 'cleaned.is_unjoined' if has_join else 'false' }} as is_unjoined,
        {{ row_key(feeds, 'cleaned') }} as _key,
        feeds.typing_fingerprint as _typing_fingerprint,
        files.loaded_at,
        cleaned._extra,
        cleaned._feed,
        cleaned._file,
        cleaned._line,
        cleaned._load_id
    from {{ 'rows_with_join' if has_join else 'cleaned' }} as cleaned
    left join {{ source('raw', 'feeds') }} as feeds on cleaned._feed = feeds.feed
    left join {{ source('raw', 'loaded_files') }} as files on cleaned._load_id = files.load_id

),

checked as (

    select
        *,
        {{ plausible_timestamp('purchased_at', 'loaded_at') }} as plausible_purchased_at
    from typed

)

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
    coalesce(carries_products, false) as has_product_attributes,
    is_excluded,
    is_declared_return,
    is_unjoined,
    _key,
    _extra,
    _feed,
    _file,
    _line,
    _load_id,
    _typing_fingerprint
from checked
