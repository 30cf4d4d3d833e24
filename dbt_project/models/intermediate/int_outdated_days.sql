{% set timestamp_columns = incremental_kinds() %}
{% set keyed_kinds = [] %}
{% for kind in timestamp_columns if is_declared(declared_feeds(kind), 'key') %}
    {% do keyed_kinds.append(kind) %}
{% endfor %}
{% set has_sessions = has_session_impressions() %}
-- depends_on: {{ ref('int_session_users') }}

-- Days of the loads whose rows the classified tables lack, or have with another typing. The first build of a classified
-- table reads all rows and needs no days; but the logs begin after the first build, when the tables of their lists exist.
with days_of_staged_rows as (
    {% for kind, timestamp_column in timestamp_columns.items() %}
    select
        '{{ kind }}' as kind,
        {{ row_date(timestamp_column) }} as row_date,
        changed_loads.reason
    from {{ ref(('stg_log__' if kind in log_kinds() else 'stg_shop__') ~ kind) }} as staged_rows
    inner join {{ ref('int_changed_loads') }} as changed_loads on staged_rows._load_id = changed_loads.load_id
    where
        changed_loads.reason != 'file replaced or removed'
        {%- if kind not in log_kinds() and kind != 'impressions' %}
        and exists (select built_rows._load_id from ({{ built_rows(kind, ['_load_id']) }}) as built_rows)
        {%- endif %}
    {{ 'union all' if not loop.last }}
    {% endfor %}
),

-- Days of the loads of which the classified tables have old rows.
days_of_old_rows as (
    {% for kind in timestamp_columns %}
    select
        '{{ kind }}' as kind,
        built_rows._row_date as row_date,
        changed_loads.reason
    from ({{ built_rows(kind, ['_load_id', '_row_date']) }}) as built_rows
    inner join {{ ref('int_changed_loads') }} as changed_loads on built_rows._load_id = changed_loads.load_id
    {{ 'union all' if not loop.last }}
    {% endfor %}
),

{% if keyed_kinds -%}
-- A new row supersedes rows of its key on other days. When it is replaced or removed, one of these counts again.
keys_of_changed_loads as (
    {% for kind in keyed_kinds %}
    select
        '{{ kind }}' as kind,
        staged_rows._key
    from {{ ref('stg_shop__' ~ kind) }} as staged_rows
    inner join {{ ref('int_changed_loads') }} as changed_loads on staged_rows._load_id = changed_loads.load_id
    where changed_loads.reason != 'file replaced or removed' and staged_rows._key is not null

    union

    select
        '{{ kind }}' as kind,
        built_rows._key
    from ({{ built_rows(kind, ['_load_id', '_key']) }}) as built_rows
    inner join {{ ref('int_changed_loads') }} as changed_loads on built_rows._load_id = changed_loads.load_id
    {{ 'union' if not loop.last }}
    {% endfor %}
),

days_of_changed_keys as (
    {% for kind in keyed_kinds %}
    select
        '{{ kind }}' as kind,
        built_rows._row_date as row_date,
        'key in a changed file' as reason
    from ({{ built_rows(kind, ['_row_date', '_key']) }}) as built_rows
    inner join keys_of_changed_loads as changed_keys on built_rows._key = changed_keys._key
    where changed_keys.kind = '{{ kind }}'
    {{ 'union all' if not loop.last }}
    {% endfor %}
),

{% endif -%}
{% if has_sessions -%}
days_of_changed_sessions as (

    select
        'impressions' as kind,
        built_rows.row_date,
        'customer of a session' as reason
    from (
        select distinct
            _row_date as row_date,
            session_id,
            user_id
        from ({{ built_rows('impressions', ['_row_date', 'session_id', 'user_id', 'is_session_user']) }}) as built_rows
        where is_session_user or (user_id is null and session_id is not null)
    ) as built_rows
    left join {{ ref('int_session_users') }} as session_users on built_rows.session_id = session_users.session_id
    where coalesce(built_rows.user_id, '') != coalesce(session_users.user_id, '')

),

{% endif -%}
-- The products of distinct days are compared, because a lookup for every row takes several times as long.
product_days as (
    {% for kind in timestamp_columns if 'product_id' in raw_columns(kind) %}
    select distinct
        '{{ kind }}' as kind,
        _row_date as row_date,
        product_id,
        coalesce(reasons, '') not like '%unknown_product%' as was_known
    from ({{ built_rows(kind, ['_row_date', 'product_id', 'row_status', 'reasons']) }}) as built_rows
    where row_status not in ('duplicate', 'excluded') and product_id is not null
    {{ 'union all' if not loop.last }}
    {% endfor %}
),

days_of_changed_products as (

    select
        product_days.kind,
        product_days.row_date,
        case when product_days.was_known then 'product unknown now' else 'product known now' end as reason
    from product_days
    left join {{ ref('int_product_versions') }} as known_products
        on product_days.product_id = known_products.product_id
        and known_products.version_number = 1
    where product_days.was_known != (known_products.product_id is not null)

)

select * from days_of_staged_rows
union
select * from days_of_old_rows
union
select * from days_of_changed_products
{%- if keyed_kinds %}
union
select * from days_of_changed_keys
{%- endif %}
{%- if has_sessions %}
union
select * from days_of_changed_sessions
{%- endif %}
