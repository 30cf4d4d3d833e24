{% set feeds = declared_feeds('products') %}
{% set columns = raw_columns('products') %}

with {{ feed_rows('products', columns, feeds) }},

typed as (

    select
        feed_rows.product_id,
        feed_rows.product_name as product_name_text,
        lower(feed_rows.category) as category_text,
        lower(feed_rows.brand) as brand_text,
        feed_rows.price as price_text,
        {{ parse_price('feed_rows.price', 'feed_rows._feed', feeds) }} as unit_price,
        feed_rows.currency as currency_text,
        {{ parse_currency('feed_rows.currency', 'feed_rows.price', feeds) }} as currency,
        feed_rows.popularity_score as popularity_score_text,
        {{ parse_number('feed_rows.popularity_score', 'feed_rows._feed', feeds) }} as popularity_score,
        feed_rows.is_available as is_available_text,
        {{ parse_availability('feed_rows.is_available', 'feed_rows._feed', feeds) }} as is_available,
        feed_rows.updated_at as updated_at_text,
        {{ parse_timestamp('feed_rows.updated_at', 'feed_rows._feed', feeds) }} as updated_at,
        feed_rows.margin as margin_text,
        {{ parse_margin('feed_rows.margin', 'feed_rows._feed', feeds) }} as margin,
        feed_rows.product_url as product_url_text,
        {{ parse_url('feed_rows.product_url', feeds) }} as product_url,
        feed_rows.image_url as image_url_text,
        {{ parse_url('feed_rows.image_url', feeds) }} as image_url,
        files.loaded_at,
        {{ is_left_out(feeds, 'feed_rows') }} as is_excluded,
        feed_rows.is_unjoined,
        feed_rows.rounded_ids,
        feed_rows.nested_ids,
        feed_rows._extra,
        feed_rows._feed,
        feed_rows._file,
        feed_rows._line,
        feed_rows._load_id
    from feed_rows
    left join {{ source('raw', 'loaded_files') }} as files on feed_rows._load_id = files.load_id

),

checked as (

    select
        *,
        {{ plausible_timestamp('updated_at', 'loaded_at') }} as plausible_updated_at
    from typed

)

select
    product_id,
    {{ text_or_null('product_name') }} as product_name,
    {{ text_or_null('category') }} as category,
    {{ text_or_null('brand') }} as brand,
    {{ price_in_shop_currency('unit_price', 'currency', feeds) }} as price,
    case when unit_price is not null then currency end as currency,
    popularity_score,
    is_available,
    plausible_updated_at as updated_at,
    margin,
    product_url,
    image_url,
    {{ unreadable_text('price', feeds, value='unit_price') }} as unreadable_price,
    {{ currency_without_rate('currency', 'unit_price', feeds) }} as unreadable_currency,
    rounded_ids,
    nested_ids,
    {{ texts_to_keep({
        'product_name': is_nested('product_name_text'),
        'category': is_nested('category_text'),
        'brand': is_nested('brand_text'),
        'popularity_score': unreadable_text('popularity_score', feeds) ~ ' is not null',
        'is_available': 'is_available is null and is_available_text is not null',
        'updated_at': unreadable_text('updated_at', feeds, value='plausible_updated_at') ~ ' is not null',
        'margin': unreadable_text('margin', feeds) ~ ' is not null',
        'product_url': unreadable_text('product_url', feeds) ~ ' is not null',
        'image_url': unreadable_text('image_url', feeds) ~ ' is not null',
        'currency': unknown_currency('currency', 'unit_price', feeds) ~ ' is not null',
    }) }} as unread_values,
    loaded_at,
    is_excluded,
    is_unjoined,
    _extra,
    _feed,
    _file,
    _line,
    _load_id
from checked
