{{ config(
    materialized='incremental',
    incremental_strategy='replace_outdated',
    unique_key='_row_date',
    on_schema_change='fail',
    meta={'outdated': 'outdated_days', 'kind': 'recommendation_lists'},
) }}
-- depends_on: {{ ref('int_changed_loads') }}, {{ ref('int_outdated_days') }}
{% set columns = [
    'user_id', 'placement', 'published_at', 'experiment', 'arm', 'run_id', 'product_ids', 'sources', 'reason_keys',
    'propensities', 'publication', 'unreadable_published_at', 'unreadable_product_ids', 'rounded_ids', 'nested_ids', 'is_excluded',
    '_extra', '_line', '_load_id', '_typing_fingerprint',
] %}
{#- As a common table expression, which is read twice, DuckDB would store the lists: it takes three times as long. -#}
{% set lists -%}
{% if is_incremental() -%}
(
    select {{ columns | join(', ') }} from {{ ref('stg_log__recommendation_lists') }}
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
)
{%- else -%}
{{ ref('stg_log__recommendation_lists') }}
{%- endif %}
{%- endset %}

with
-- A customer has one list of a placement at an instant; a second one is of a file that was copied. Rows without a customer or
-- a time are compared with none.
{{ duplicate_rows(lists, [
    'user_id', 'placement', 'published_at',
    "case when user_id is null or published_at is null then concat(rows._load_id, ' ', rows._line) end",
], []) }},

checked as (

    select
        lists.*,
        duplicate_rows._line is not null as is_duplicate,
        {{ broken_rules({
            'missing_user': 'user_id is null and not ' ~ is_kept_as_text('user_id'),
            'bad_timestamp': 'published_at is null',
            'bad_list': 'product_ids is null'
                ~ ' or coalesce(' ~ list_length('sources') ~ ', -1) != ' ~ list_length('product_ids')
                ~ ' or coalesce(' ~ list_length('reason_keys') ~ ', -1) != ' ~ list_length('product_ids')
                ~ ' or ' ~ list_length('propensities') ~ ' != ' ~ list_length('product_ids'),
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
    {{ row_date('published_at') }} as _row_date,
    case
        when is_duplicate then 'duplicate'
        when broken_rules is not null then 'quarantined'
        else 'clean'
    end as row_status,
    case when not is_duplicate then broken_rules end as reasons
from checked
