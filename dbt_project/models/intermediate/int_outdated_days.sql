{% set timestamp_columns = {'events': 'event_at', 'purchases': 'purchased_at'} %}

with changed_loads as (

    select * from {{ ref('int_changed_loads') }}

),

known_products as (

    select distinct product_id from {{ ref('int_product_versions') }}

),

built_rows as (
    {% for kind in timestamp_columns %}
    select '{{ kind }}' as kind, * from ({{ built_rows(kind) }}) as {{ kind }}
    {{ 'union all' if not loop.last }}
    {% endfor %}
),

-- Loads that are not in the classified tables yet. The first build reads all rows and needs no days.
days_of_new_rows as (
    {% for kind, timestamp_column in timestamp_columns.items() %}
    select
        '{{ kind }}' as kind,
        {{ row_date(timestamp_column) }} as day,
        changed_loads.reason
    from {{ ref('stg_shop__' ~ kind) }} as staged_rows
    inner join changed_loads on staged_rows._load_id = changed_loads.load_id
    where
        changed_loads.kind = '{{ kind }}'
        and changed_loads.reason != 'file replaced or removed'
        and changed_loads.kind in (select built_rows.kind from built_rows)
    {{ 'union all' if not loop.last }}
    {% endfor %}
),

-- Loads of which the classified tables have old rows.
days_of_old_rows as (

    select
        built_rows.kind,
        built_rows._row_date as day,
        changed_loads.reason
    from built_rows
    inner join changed_loads
        on built_rows.kind = changed_loads.kind
        and built_rows._load_id = changed_loads.load_id

),

-- The products of distinct days are compared, because a lookup for every row takes several times as long.
product_days as (

    select distinct
        kind,
        _row_date as day,
        product_id,
        coalesce(reasons, '') not like '%unknown_product%' as was_known
    from built_rows
    where row_status != 'duplicate' and product_id is not null

),

days_of_changed_products as (

    select
        product_days.kind,
        product_days.day,
        case when product_days.was_known then 'product unknown now' else 'product known now' end as reason
    from product_days
    left join known_products on product_days.product_id = known_products.product_id
    where product_days.was_known != (known_products.product_id is not null)

)

select * from days_of_new_rows
union
select * from days_of_old_rows
union
select * from days_of_changed_products
