{% set feeds = declared_feeds('events') %}
{% set columns = raw_columns('events') %}

with {{ feed_rows('events', columns, feeds) }},

typed as (

    select
        feed_rows.event_id,
        feed_rows.user_id,
        feed_rows.product_id,
        case when aliases.event_type != 'ignored' then aliases.event_type end as event_type,
        coalesce(aliases.event_type = 'ignored', false) as is_ignored,
        lower(feed_rows.event_type) as event_type_text,
        feed_rows.event_at as event_at_text,
        {{ parse_timestamp('feed_rows.event_at', 'feed_rows._feed', feeds) }} as event_at,
        lower(feed_rows.device) as device_text,
        {{ device_type('feed_rows.device') }} as device,
        feed_rows.session_id,
        feed_rows.transaction_id,
        feed_rows.quantity as quantity_text,
        {{ parse_number('feed_rows.quantity', 'feed_rows._feed', feeds) }} as quantity,
        feed_rows.price as price_text,
        {{ parse_price('feed_rows.price', 'feed_rows._feed', feeds) }} as price_number,
        feed_rows.line_total as line_total_text,
        {{ parse_price('feed_rows.line_total', 'feed_rows._feed', feeds) }} as line_total,
        {{ parse_currency('feed_rows.currency', 'coalesce(feed_rows.price, feed_rows.line_total)', feeds) }}
            as currency,
        feed_rows.product_name as product_name_text,
        lower(feed_rows.category) as category_text,
        lower(feed_rows.brand) as brand_text,
        feeds.carries_purchases,
        feeds.carries_products,
        feeds.typing_fingerprint as _typing_fingerprint,
        files.loaded_at,
        {{ is_left_out(feeds, 'feed_rows') }} as is_left_out,
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
    left join {{ source('raw', 'event_aliases') }} as aliases
        on feed_rows._feed = aliases.feed
        and lower(feed_rows.event_type) = aliases.alias

),

checked as (

    select
        *,
        {{ plausible_timestamp('event_at', 'loaded_at') }} as plausible_event_at,
        {{ unit_price(feeds) }} as unit_price
    from typed

)

select
    event_id,
    user_id,
    product_id,
    event_type,
    plausible_event_at as event_at,
    device,
    session_id,
    transaction_id,
    quantity,
    {{ price_in_shop_currency('unit_price', 'currency', feeds) }} as price,
    case when unit_price is not null then currency end as currency,
    {{ text_or_null('product_name') }} as product_name,
    {{ text_or_null('category') }} as category,
    {{ text_or_null('brand') }} as brand,
    case when event_type is null and not is_ignored then event_type_text end as unreadable_event_type,
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
    is_left_out or is_ignored as is_excluded,
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
