{% set feeds = declared_feeds('served_lists') %}
{% set columns = raw_columns('served_lists') %}

with {{ feed_rows('served_lists', columns, feeds) }},

typed as (

    select
        feed_rows.recommendation_id,
        feed_rows.served_at as served_at_text,
        {{ parse_timestamp('feed_rows.served_at', 'feed_rows._feed', feeds) }} as served_at,
        feed_rows.user_id,
        feed_rows.session_id,
        {{ declared_placement('feed_rows.placement') }} as placement,
        feed_rows.experiment,
        feed_rows.arm,
        feed_rows.run_id,
        feed_rows.product_ids as product_ids_text,
        {{ json_list_texts('feed_rows.product_ids') }} as product_ids,
        case lower(feed_rows.is_fallback) when 'true' then true when 'false' then false end as is_fallback,
        feeds.typing_fingerprint as _typing_fingerprint,
        files.loaded_at,
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
        {{ plausible_timestamp('served_at', 'loaded_at') }} as plausible_served_at
    from typed

)

select
    recommendation_id,
    plausible_served_at as served_at,
    user_id,
    session_id,
    placement,
    experiment,
    arm,
    run_id,
    product_ids,
    is_fallback,
    {{ unreadable_text('served_at', feeds, value='plausible_served_at') }} as unreadable_served_at,
    {{ unreadable_text('product_ids', feeds) }} as unreadable_product_ids,
    rounded_ids,
    nested_ids,
    false as is_excluded,
    _extra,
    _feed,
    _file,
    _line,
    _load_id,
    _typing_fingerprint
from checked
