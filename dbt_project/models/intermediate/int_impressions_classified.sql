{{ config(
    materialized='incremental',
    incremental_strategy='replace_outdated',
    unique_key='_row_date',
    on_schema_change='fail',
    meta={'outdated': 'outdated_days', 'kind': 'impressions'},
) }}
-- depends_on: {{ ref('int_changed_loads') }}, {{ ref('int_outdated_days') }}
{% set feeds = declared_feeds('impressions') %}
{% set compared_columns = [
    'impression_id', 'user_id', 'session_id', 'product_id', 'placement', 'position', 'seen_at', 'recommendation_id',
    'unreadable_position', 'unreadable_seen_at', 'rounded_ids', 'nested_ids',
] %}
{% set other_columns = ['unread_values', 'is_excluded', '_key', '_extra', '_line', '_load_id', '_typing_fingerprint'] %}
{% set columns = compared_columns + other_columns %}
{% set impressions = 'rows_of_outdated_days' if is_incremental() else ref('stg_shop__impressions') %}

with
{% if is_incremental() -%}
rows_of_outdated_days as (

    select {{ columns | join(', ') }} from {{ ref('stg_shop__impressions') }}
    where
        _load_id in (
            select load_id from {{ ref('int_changed_loads') }}
            where reason != 'file replaced or removed'
        )

    union all

    select
        {% for column in columns -%}
        {{ 'case when not is_session_user then user_id end as user_id' if column == 'user_id' else column }}
        {{- ',' if not loop.last }}
        {% endfor %}
    from {{ this }}
    where
        _row_date in ({{ outdated_days(this) }})
        and _load_id not in (select load_id from {{ ref('int_changed_loads') }})

),

{% endif -%}
-- As for events: a duplicate equals an earlier row of the same feed in every column, or is not the newest row of its key.
{{ duplicate_rows(impressions, compared_columns, feeds) }},

checked as (

    select
        impressions.*,
        session_users.user_id as session_user_id,
        duplicate_rows._line is not null as is_duplicate,
        {{ broken_rules({
            'missing_user': 'impressions.user_id is null and impressions.session_id is null and not '
                ~ is_kept_as_text('user_id') ~ ' and not ' ~ is_kept_as_text('session_id'),
            'missing_product': 'impressions.product_id is null and not ' ~ is_kept_as_text('product_id'),
            'unknown_product': 'impressions.product_id is not null and known_products.product_id is null',
            'bad_timestamp': 'seen_at is null',
            'rounded_id': 'rounded_ids is not null',
            'object_as_id': 'nested_ids is not null',
        }) }} as broken_rules
    from {{ impressions }} as impressions
    left join {{ ref('int_product_versions') }} as known_products
        on impressions.product_id = known_products.product_id
        and known_products.version_number = 1
    left join {{ ref('int_session_users') }} as session_users on impressions.session_id = session_users.session_id
    left join duplicate_rows
        on impressions._load_id = duplicate_rows._load_id
        and impressions._line = duplicate_rows._line

)

select
    {% for column in columns -%}
    {{ 'coalesce(user_id, session_user_id) as user_id' if column == 'user_id' else column }},
    {% endfor -%}
    user_id is null and session_user_id is not null as is_session_user,
    {{ row_date('seen_at') }} as _row_date,
    case
        when is_excluded then 'excluded'
        when is_duplicate then 'duplicate'
        when broken_rules is not null then 'quarantined'
        else 'clean'
    end as row_status,
    case when not is_excluded and not is_duplicate then broken_rules end as reasons
from checked
