{% set feeds = declared_feeds('purchases') %}
{% set columns = raw_columns('purchases') %}

with {{ feed_rows('purchases', columns, feeds) }},

typed as (

    select
        feed_rows.transaction_id,
        feed_rows.user_id,
        feed_rows.product_id,
        feed_rows.quantity as quantity_text,
        {{ parse_number('feed_rows.quantity', 'feed_rows._feed', feeds) }} as quantity,
        feed_rows.price as price_text,
        {{ parse_price('feed_rows.price', 'feed_rows._feed', feeds) }} as price_number,
        feed_rows.line_total as line_total_text,
        {{ parse_price('feed_rows.line_total', 'feed_rows._feed', feeds) }} as line_total,
        {{ parse_currency('feed_rows.currency', 'coalesce(feed_rows.price, feed_rows.line_total)', feeds) }}
            as currency,
        feed_rows.purchased_at as purchased_at_text,
        {{ parse_timestamp('feed_rows.purchased_at', 'feed_rows._feed', feeds) }} as purchased_at,
        lower(feed_rows.device) as device_text,
        case when feed_rows.device is not null then {{ device_type('feed_rows.device') }} end as device,
        feed_rows.product_name as product_name_text,
        lower(feed_rows.category) as category_text,
        lower(feed_rows.brand) as brand_text,
        feeds.carries_products,
        feeds.typing_fingerprint as _typing_fingerprint,
        files.loaded_at,
        {{ is_left_out(feeds, 'feed_rows') }} as is_excluded,
        {{ is_declared_return(feeds, 'feed_rows') }} as is_declared_return,
        {{ row_key(feeds, 'feed_rows') }} as _key,
        feed_rows.is_unjoined,
        feed_rows.rounded_ids,
        feed_rows.nested_ids,
        feed_rows._extra,
        feed_rows._feed,
        feed_rows._file,
        feed_rows._line,
        feed_rows._load_id
    from feed_rows
    left join {{ source('raw', 'feeds') }} as feeds on feed_rows._feed = feeds.feed
    left join {{ source('raw', 'loaded_files') }} as files on feed_rows._load_id = files.load_id

),

checked as (

    select
        *,
        {{ plausible_timestamp('purchased_at', 'loaded_at') }} as plausible_purchased_at,
        {{ unit_price(feeds) }} as unit_price
    from typed

)

select
    transaction_id,
    user_id,
    product_id,
    quantity,
    {{ price_in_shop_currency('unit_price', 'currency', feeds) }} as price,
    case when unit_price is not null then currency end as currency,
    plausible_purchased_at as purchased_at,
    device,
    {{ text_or_null('product_name') }} as product_name,
    {{ text_or_null('category') }} as category,
    {{ text_or_null('brand') }} as brand,
    {{ unreadable_text('quantity', feeds) }} as unreadable_quantity,
    {{ unreadable_price(feeds) }} as unreadable_price,
    {{ currency_without_rate('currency', 'unit_price', feeds) }} as unreadable_currency,
    {{ unreadable_text('purchased_at', feeds, value='plausible_purchased_at') }} as unreadable_purchased_at,
    rounded_ids,
    nested_ids,
    {{ texts_to_keep({
        'device': "device = 'unknown' and " ~ null_if_word('device_text', 'device', feeds) ~ ' is not null',
        'product_name': is_nested('product_name_text'),
        'category': is_nested('category_text'),
        'brand': is_nested('brand_text'),
    }) }} as unread_values,
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
