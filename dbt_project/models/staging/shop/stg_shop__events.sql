{% set feeds = declared_feeds('events') %}
{% set has_join = has_joined_files(feeds) %}
{% set columns = [
    'event_id', 'user_id', 'product_id', 'event_type', 'event_at', 'device', 'session_id', 'transaction_id',
    'quantity', 'price', 'product_name', 'category', 'brand',
] %}

with cleaned as (

    {{ cleaned_rows(source('raw', 'events'), columns) }}

),

{% if has_join -%}
{{ rows_with_join('cleaned', columns, feeds) }},

{% endif -%}
typed as (

    select
        cleaned.event_id,
        {{ clean_user_id('cleaned.user_id') }} as user_id,
        cleaned.product_id,
        case when aliases.event_type != 'ignored' then aliases.event_type end as event_type,
        coalesce(aliases.event_type = 'ignored', false) as is_ignored,
        lower(cleaned.event_type) as event_type_text,
        cleaned.event_at as event_at_text,
        {{ parse_timestamp('cleaned.event_at', 'cleaned._feed', feeds) }} as event_at,
        lower(cleaned.device) as device_text,
        cleaned.session_id,
        cleaned.transaction_id,
        cleaned.quantity as quantity_text,
        {{ parse_number('cleaned.quantity', 'cleaned._feed', feeds) }} as quantity,
        cleaned.price as price_text,
        {{ parse_number('cleaned.price', 'cleaned._feed', feeds) }} as price,
        cleaned.product_name,
        lower(cleaned.category) as category,
        lower(cleaned.brand) as brand,
        feeds.carries_purchases,
        feeds.carries_products,
        {{ is_left_out(feeds, 'cleaned') }} as is_left_out,
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
    left join {{ source('raw', 'event_aliases') }} as aliases
        on cleaned._feed = aliases.feed
        and lower(cleaned.event_type) = aliases.alias

),

checked as (

    select
        *,
        {{ plausible_timestamp('event_at', 'loaded_at') }} as plausible_event_at
    from typed

)

select
    event_id,
    user_id,
    product_id,
    event_type,
    plausible_event_at as event_at,
    case
        when device_text in ('web', 'desktop', 'browser', 'website', 'computer', 'laptop', 'pc') then 'web'
        when device_text in (
                'mobile', 'mobile app', 'mobile_app', 'app', 'phone', 'smartphone', 'tablet',
                'android', 'ios', 'iphone', 'ipad'
            ) then 'mobile'
        else 'unknown'
    end as device,
    session_id,
    transaction_id,
    quantity,
    price,
    product_name,
    category,
    brand,
    case when event_type is null and not is_ignored then event_type_text end as unreadable_event_type,
    case when plausible_event_at is null then event_at_text end as unreadable_event_at,
    case when quantity is null then quantity_text end as unreadable_quantity,
    case when price is null then price_text end as unreadable_price,
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
