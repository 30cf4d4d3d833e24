{% set feeds = declared_feeds('events') %}
{% set ids = ['event_id', 'user_id', 'product_id', 'session_id', 'transaction_id'] %}

with cleaned as (

    {{ cleaned_rows(source('raw', 'events'), [
        'event_id', 'user_id', 'product_id', 'event_type', 'event_at', 'device', 'session_id', 'transaction_id',
        'quantity', 'price', 'line_total', 'currency', 'product_name', 'category', 'brand',
    ], feeds) }}

),

typed as (

    select
        cleaned.event_id as event_id_text,
        cleaned.user_id as user_id_text,
        cleaned.product_id as product_id_text,
        aliases.event_type,
        lower(cleaned.event_type) as event_type_text,
        cleaned.event_at as event_at_text,
        {{ parse_timestamp('cleaned.event_at', 'cleaned._feed', feeds) }} as event_at,
        lower(cleaned.device) as device_text,
        case
            when lower(cleaned.device) in ('web', 'desktop', 'browser', 'website', 'computer', 'laptop', 'pc')
                then 'web'
            when lower(cleaned.device) in (
                    'mobile', 'mobile app', 'mobile_app', 'app', 'phone', 'smartphone', 'tablet',
                    'android', 'ios', 'iphone', 'ipad'
                ) then 'mobile'
            else 'unknown'
        end as device,
        cleaned.session_id as session_id_text,
        cleaned.transaction_id as transaction_id_text,
        cleaned.quantity as quantity_text,
        {{ parse_number('cleaned.quantity', 'cleaned._feed', feeds) }} as quantity,
        cleaned.price as price_text,
        {{ parse_number('cleaned.price', 'cleaned._feed', feeds, is_price=true) }} as price_number,
        cleaned.line_total as line_total_text,
        {{ parse_number('cleaned.line_total', 'cleaned._feed', feeds, is_price=true) }} as line_total,
        {{ parse_currency('cleaned.currency', 'coalesce(cleaned.price, cleaned.line_total)', feeds) }} as currency,
        cleaned.product_name as product_name_text,
        lower(cleaned.category) as category_text,
        lower(cleaned.brand) as brand_text,
        feeds.carries_purchases,
        feeds.carries_products,
        feeds.typing_fingerprint as _typing_fingerprint,
        files.loaded_at,
        cleaned.has_unusual_id,
        cleaned._extra,
        cleaned._feed,
        cleaned._file,
        cleaned._line,
        cleaned._load_id
    from cleaned
    left join {{ source('raw', 'feeds') }} as feeds on cleaned._feed = feeds.feed
    left join {{ source('raw', 'loaded_files') }} as files on cleaned._load_id = files.load_id
    left join {{ source('raw', 'event_aliases') }} as aliases
        on cleaned._feed = aliases.feed
        and lower(cleaned.event_type) = aliases.alias

),

checked as (

    select
        *,
        {{ plausible_timestamp('event_at', 'loaded_at') }} as plausible_event_at,
        {{ unit_price(feeds) }} as unit_price,
        {{ unusual_ids(ids, is_rounded_id) }} as rounded_ids,
        {{ unusual_ids(ids, is_nested) }} as nested_ids
    from typed

)

select
    {{ id_or_null('event_id') }} as event_id,
    {{ id_or_null('user_id') }} as user_id,
    {{ id_or_null('product_id') }} as product_id,
    event_type,
    plausible_event_at as event_at,
    device,
    {{ id_or_null('session_id') }} as session_id,
    {{ id_or_null('transaction_id') }} as transaction_id,
    quantity,
    {{ price_in_shop_currency('unit_price', 'currency', feeds) }} as price,
    case when unit_price is not null then currency end as currency,
    {{ text_or_null('product_name') }} as product_name,
    {{ text_or_null('category') }} as category,
    {{ text_or_null('brand') }} as brand,
    case when event_type is null then event_type_text end as unreadable_event_type,
    {{ unreadable_text('event_at', feeds, value='plausible_event_at') }} as unreadable_event_at,
    {{ unreadable_text('quantity', feeds) }} as unreadable_quantity,
    {{ unreadable_price(feeds) }} as unreadable_price,
    {{ currency_without_rate('currency', 'unit_price', feeds) }} as unreadable_currency,
    rounded_ids,
    nested_ids,
    {{ texts_to_keep({
        'device': "device = 'unknown' and " ~ null_if_word('device_text', 'device', feeds) ~ ' is not null',
        'product_name': is_nested('product_name_text'),
        'category': is_nested('category_text'),
        'brand': is_nested('brand_text'),
    }) }} as unread_values,
    coalesce(event_type = 'purchase' and carries_purchases, false) as is_transaction,
    coalesce(carries_products, false) as has_product_attributes,
    _extra,
    _feed,
    _file,
    _line,
    _load_id,
    _typing_fingerprint
from checked
