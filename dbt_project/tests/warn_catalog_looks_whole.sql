{{ config(severity='warn', meta={'dagster': {'ref': {'name': 'audit_product_freshness'}}}) }}

-- Warns of catalogs that look whole (int_product_deliveries) in feeds that do not say whether they are: recommendable
-- products are absent from the newest deliveries.
{% set undeclared_feeds = [] %}
{% for feed in declared_feeds('products') if feed.whole is not defined %}
    {% do undeclared_feeds.append(quote(feed.feed)) %}
{% endfor %}
with absent_products as (

    select distinct
        catalog._feed,
        freshness.product_id
    from {{ ref('audit_product_freshness') }} as freshness
    inner join {{ ref('int_products_classified') }} as catalog on freshness.product_id = catalog.product_id
    where
        freshness.missed_catalog_count > 0
        and catalog._feed in ({{ undeclared_feeds | join(', ') or 'null' }})

)

select
    concat(
        'feed ', _feed, ': its catalogs look whole, and the newest ones lack ', count(*),
        ' recommendable products, such as ', min(product_id), '. Declare whole: true, so that absent products are ',
        'unavailable, or whole: false'
    ) as message
from absent_products
group by _feed
order by _feed
