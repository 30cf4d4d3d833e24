{{ config(
    materialized='incremental',
    incremental_strategy='replace_outdated',
    unique_key='_row_date',
    on_schema_change='fail',
    meta={'outdated': 'outdated_days', 'kind': 'served_lists'},
) }}
-- depends_on: {{ ref('int_changed_loads') }}, {{ ref('int_outdated_days') }}
{% set columns = [
    'recommendation_id', 'served_at', 'user_id', 'session_id', 'placement', 'experiment', 'arm', 'run_id',
    'product_ids', 'is_fallback', 'unreadable_served_at', 'unreadable_product_ids', 'rounded_ids', 'nested_ids',
    'is_excluded', '_extra', '_line', '_load_id', '_typing_fingerprint',
] %}
{% set lists = 'rows_of_outdated_days' if is_incremental() else ref('stg_log__served_lists') %}

with
{% if is_incremental() -%}
rows_of_outdated_days as (

    select {{ columns | join(', ') }} from {{ ref('stg_log__served_lists') }}
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
-- An answer has one id; a second row with it is of a file that was copied.
{{ duplicate_rows(lists, [
    'recommendation_id', 'rounded_ids', 'nested_ids',
    'case when recommendation_id is null then concat_ws(\',\', user_id, session_id, served_at) end',
    'case when recommendation_id is null then product_ids end',
], []) }},

checked as (

    select
        lists.*,
        duplicate_rows._line is not null as is_duplicate,
        {{ broken_rules({
            'missing_recommendation': 'recommendation_id is null and not ' ~ is_kept_as_text('recommendation_id'),
            'bad_timestamp': 'served_at is null',
            'bad_list': 'product_ids is null',
            'rounded_id': 'rounded_ids is not null',
            'object_as_id': 'nested_ids is not null',
        }) }} as broken_rules
    from {{ lists }} as lists
    left join duplicate_rows
        on lists._load_id = duplicate_rows._load_id
        and lists._line = duplicate_rows._line

)

select
    {% for column in columns -%}
    {{ column }},
    {% endfor -%}
    {{ row_date('served_at') }} as _row_date,
    case
        when is_duplicate then 'duplicate'
        when broken_rules is not null then 'quarantined'
        else 'clean'
    end as row_status,
    case when not is_duplicate then broken_rules end as reasons
from checked
