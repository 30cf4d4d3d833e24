{% set feeds = declared_feeds('recommendation_lists') %}
{% set columns = raw_columns('recommendation_lists') %}

with {{ feed_rows('recommendation_lists', columns, feeds) }},

typed as (

    select
        feed_rows.user_id,
        {{ declared_placement('feed_rows.placement') }} as placement,
        feed_rows.published_at as published_at_text,
        {{ parse_timestamp('feed_rows.published_at', 'feed_rows._feed', feeds) }} as published_at,
        feed_rows.experiment,
        feed_rows.arm,
        feed_rows.run_id,
        feed_rows.product_ids as product_ids_text,
        {{ json_list_texts('feed_rows.product_ids') }} as product_ids,
        {{ json_list_texts('feed_rows.sources') }} as sources,
        {{ json_list_texts('feed_rows.reason_keys') }} as reason_keys,
        {{ json_list_numbers('feed_rows.propensities') }} as propensities,
        feed_rows.publication,
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
        {{ plausible_timestamp('published_at', 'loaded_at') }} as plausible_published_at
    from typed

)

select
    user_id,
    placement,
    plausible_published_at as published_at,
    experiment,
    arm,
    run_id,
    product_ids,
    sources,
    reason_keys,
    propensities,
    publication,
    {{ unreadable_text('published_at', feeds, value='plausible_published_at') }} as unreadable_published_at,
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
