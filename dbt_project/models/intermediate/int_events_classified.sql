{{ config(
    materialized='incremental',
    incremental_strategy='replace_outdated',
    unique_key='_row_date',
    on_schema_change='fail',
    meta={'outdated': 'outdated_days', 'kind': 'events'},
) }}
-- depends_on: {{ ref('int_changed_loads') }}, {{ ref('int_outdated_days') }}
{% set feeds = declared_feeds('events') %}
{% set compared_columns = [
    'event_id', 'user_id', 'product_id', 'event_type', 'event_at', 'device', 'session_id',
    'transaction_id', 'quantity', 'price', 'currency', 'product_name', 'category', 'brand',
    'unreadable_event_type', 'unreadable_event_at', 'unreadable_quantity', 'unreadable_price',
    'rounded_ids', 'nested_ids',
] %}
{% set columns = compared_columns + [
    'unreadable_currency', 'unread_values', 'is_transaction', 'is_excluded', 'is_declared_return', 'is_unjoined', '_key',
    '_extra', '_line', '_load_id', '_typing_fingerprint',
] %}
{% set events = 'rows_of_outdated_days' if is_incremental() else ref('stg_shop__events') %}

with
{% if is_incremental() -%}
rows_of_outdated_days as (

    select {{ columns | join(', ') }} from {{ ref('stg_shop__events') }}
    where
        _load_id in (
            select load_id from {{ ref('int_changed_loads') }}
            where reason != 'file replaced or removed'
        )

    union all

    select {{ columns | join(', ') }} from {{ this }}
    where
        _row_date in ({{ outdated_days(this) }})
        and _load_id not in (select load_id from {{ ref('int_changed_loads') }})

),

{% endif -%}
-- A duplicate equals an earlier row of the same feed in every column, undeclared columns included. Both have the same
-- timestamp and therefore the same day, so the rows of the outdated days suffice. With a key, a duplicate is any row that
-- is not the newest one of its key.
{{ duplicate_rows(events, compared_columns, feeds) }},

checked as (

    select
        events.*,
        duplicate_rows._line is not null as is_duplicate,
        {{ broken_rules({
            'missing_user': 'user_id is null and not is_transaction and not ' ~ is_kept_as_text('user_id'),
            'missing_joined_row': 'is_unjoined',
            'missing_product': 'events.product_id is null and not ' ~ is_kept_as_text('product_id'),
            'unknown_product': 'events.product_id is not null and known_products.product_id is null',
            'unknown_event_type': 'event_type is null',
            'bad_timestamp': 'event_at is null',
            'bad_quantity': 'is_transaction and (quantity = 0 or unreadable_quantity is not null)',
            'bad_price': 'is_transaction and (events.price < 0 or unreadable_price is not null)',
            'unknown_currency': 'is_transaction and unreadable_currency is not null',
            'rounded_id': 'rounded_ids is not null',
            'object_as_id': 'nested_ids is not null',
        }) }} as broken_rules
    from {{ events }} as events
    left join {{ ref('int_product_versions') }} as known_products
        on events.product_id = known_products.product_id
        and known_products.version_number = 1
    left join duplicate_rows
        on events._load_id = duplicate_rows._load_id
        and events._line = duplicate_rows._line

)

select
    {% for column in columns -%}
    {{ column }},
    {% endfor -%}
    {{ row_date('event_at') }} as _row_date,
    case
        when is_excluded then 'excluded'
        when is_duplicate then 'duplicate'
        when broken_rules is not null then 'quarantined'
        else 'clean'
    end as row_status,
    case when not is_excluded and not is_duplicate then broken_rules end as reasons
from checked
