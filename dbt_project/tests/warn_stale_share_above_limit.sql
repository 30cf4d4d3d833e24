{{ config(severity='warn', meta={'dagster': {'ref': {'name': 'audit_product_freshness'}}}) }}

-- Warns when the stale share of the recommendable products or of the list entries is above max_stale_share.
with shares as (

    select
        'recommendable products' as measure,
        count(case when is_stale then 1 end) as stale_count,
        count(*) as total
    from {{ ref('audit_product_freshness') }}
    union all
    select
        'list entries' as measure,
        sum(case when is_stale then list_entry_count else 0 end) as stale_count,
        sum(list_entry_count) as total
    from {{ ref('audit_product_freshness') }}

)

select
    concat({{ format_percent(safe_divide('stale_count', 'total')) }}, ' of the ', measure, ' are stale') as message
from shares
where {{ safe_divide('stale_count', 'total') }} > {{ var('max_stale_share') }}
order by measure
