{% set timestamp_columns = {'events': 'event_at', 'purchases': 'purchased_at'} %}
{% set keyed_kinds = [] %}
{% for kind in timestamp_columns if is_declared(declared_feeds(kind), 'key') %}
    {% do keyed_kinds.append(kind) %}
{% endfor %}
{% set has_key = keyed_kinds | length > 0 %}

with built_rows as (
    {% for kind in timestamp_columns %}
    select '{{ kind }}' as kind, * from ({{ built_rows(kind, has_key) }}) as {{ kind }}
    {{ 'union all' if not loop.last }}
    {% endfor %}
),

-- Days of the loads whose rows the classified tables lack, or have with another typing. The first build of a classified
-- table reads all rows and needs no days.
days_of_staged_rows as (
    {% for kind, timestamp_column in timestamp_columns.items() %}
    select
        '{{ kind }}' as kind,
        {{ row_date(timestamp_column) }} as row_date,
        changed_loads.reason
    from {{ ref('stg_shop__' ~ kind) }} as staged_rows
    inner join {{ ref('int_changed_loads') }} as changed_loads on staged_rows._load_id = changed_loads.load_id
    where
        changed_loads.reason != 'file replaced or removed'
        and '{{ kind }}' in (select built_rows.kind from built_rows)
    {{ 'union all' if not loop.last }}
    {% endfor %}
),

-- Days of the loads of which the classified tables have old rows.
days_of_old_rows as (

    select
        built_rows.kind,
        built_rows._row_date as row_date,
        changed_loads.reason
    from built_rows
    inner join {{ ref('int_changed_loads') }} as changed_loads on built_rows._load_id = changed_loads.load_id

),

{% if has_key -%}
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
    {% endfor %}
    select
        built_rows.kind,
        built_rows._key
    from built_rows
    inner join {{ ref('int_changed_loads') }} as changed_loads on built_rows._load_id = changed_loads.load_id

),

days_of_changed_keys as (

    select
        built_rows.kind,
        built_rows._row_date as row_date,
        'key in a changed file' as reason
    from built_rows
    inner join keys_of_changed_loads
        on built_rows.kind = keys_of_changed_loads.kind
        and built_rows._key = keys_of_changed_loads._key

),

{% endif -%}
-- The products of distinct days are compared, because a lookup for every row takes several times as long.
product_days as (

    select distinct
        kind,
        _row_date as row_date,
        product_id,
        coalesce(reasons, '') not like '%unknown_product%' as was_known
    from built_rows
    where row_status not in ('duplicate', 'excluded') and product_id is not null

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
{%- if has_key %}
union
select * from days_of_changed_keys
{%- endif %}
