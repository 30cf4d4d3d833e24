{% set feeds = declared_feeds('impressions') %}
{% set columns = raw_columns('impressions') %}

with {{ feed_rows('impressions', columns, feeds) }},

typed as (

    select
        feed_rows.impression_id,
        feed_rows.user_id,
        feed_rows.session_id,
        feed_rows.product_id,
        lower(feed_rows.placement) as placement_text,
        feed_rows.position as position_text,
        {{ parse_number('feed_rows.position', 'feed_rows._feed', feeds) }} as position_number,
        feed_rows.seen_at as seen_at_text,
        {{ parse_timestamp('feed_rows.seen_at', 'feed_rows._feed', feeds) }} as seen_at,
        feed_rows.recommendation_id,
        feeds.typing_fingerprint as _typing_fingerprint,
        files.loaded_at,
        {{ is_left_out(feeds, 'feed_rows') }} as is_excluded,
        {{ row_key(feeds, 'feed_rows') }} as _key,
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
        {{ plausible_timestamp('seen_at', 'loaded_at') }} as plausible_seen_at,
        case
            when position_number between 0 and 1000000 and position_number = floor(position_number)
                then cast(position_number as integer)
        end as position
    from typed

)

select
    impression_id,
    user_id,
    session_id,
    product_id,
    {{ text_or_null('placement') }} as placement,
    position,
    plausible_seen_at as seen_at,
    recommendation_id,
    {{ unreadable_text('position', feeds) }} as unreadable_position,
    {{ unreadable_text('seen_at', feeds, value='plausible_seen_at') }} as unreadable_seen_at,
    rounded_ids,
    nested_ids,
    {{ texts_to_keep({'placement': is_nested('placement_text')}) }} as unread_values,
    is_excluded,
    _key,
    _extra,
    _feed,
    _file,
    _line,
    _load_id,
    _typing_fingerprint
from checked
