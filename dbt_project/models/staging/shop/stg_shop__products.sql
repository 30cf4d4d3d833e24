{% set feeds = declared_feeds('products') %}
{% set has_join = has_joined_files(feeds) %}
{% set is_filled_down = is_fill_down_declared(feeds) %}
{% set rows = 'filled_down_rows' if is_filled_down else 'rows_with_join' if has_join else 'cleaned' %}
{% set columns = [
    'product_id', 'product_name', 'category', 'brand', 'price', 'popularity_score', 'is_available', 'updated_at',
] %}

with cleaned as (

    {{ cleaned_rows(source('raw', 'products'), columns) }}

),

{% if has_join -%}
{{ rows_with_join('cleaned', columns, feeds) }},

{% endif -%}
{% if is_filled_down -%}
{{ filled_down_rows('rows_with_join' if has_join else 'cleaned', columns, feeds, ['is_unjoined'] if has_join else []) }},

{% endif -%}
typed as (

    select
        product_id,
        product_name,
        lower(category) as category,
        lower(brand) as brand,
        price as price_text,
        {{ parse_number('price', '_feed', feeds) }} as price,
        {{ parse_number('popularity_score', '_feed', feeds) }} as popularity_score,
        case
            when lower(is_available) in ('true', 't', 'yes', 'y', '1', 'available', 'in_stock') then true
            when lower(is_available) in ('false', 'f', 'no', 'n', '0', 'unavailable', 'out_of_stock') then false
        end as is_available,
        {{ parse_timestamp('updated_at', '_feed', feeds) }} as updated_at,
        {{ is_left_out(feeds, rows) }} as is_excluded,
        {{ 'is_unjoined' if has_join else 'false' }} as is_unjoined,
        _extra,
        _feed,
        _file,
        _line,
        _load_id
    from {{ rows }}

)

select
    typed.product_id,
    typed.product_name,
    typed.category,
    typed.brand,
    typed.price,
    typed.popularity_score,
    typed.is_available,
    {{ plausible_timestamp('typed.updated_at', 'files.loaded_at') }} as updated_at,
    case when typed.price is null then typed.price_text end as unreadable_price,
    typed.is_excluded,
    typed.is_unjoined,
    files.loaded_at,
    typed._extra,
    typed._feed,
    typed._file,
    typed._line,
    typed._load_id
from typed
left join {{ source('raw', 'loaded_files') }} as files on typed._load_id = files.load_id
