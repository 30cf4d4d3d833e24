{{ config(severity='warn', meta={'dagster': {'ref': {'name': 'rec_product_rules'}}}) }}

-- A rule about what the shop does not have does nothing, which may be a slip of the pen: each is said in words. Dagster
-- shows a test at an asset that it depends on: -- depends_on: {{ ref('rec_product_rules') }}
{% set unknown %}
    with named as (

        select 'blocks.csv' as file, scope, value from {{ ref('blocks') }}
        union all
        select 'pins.csv' as file, 'product' as scope, product_id as value from {{ ref('pins') }}
        union all
        select 'pins.csv' as file, 'category' as scope, favourite_category as value from {{ ref('pins') }}
        union all
        select 'caps.csv' as file, scope, value from {{ ref('caps') }}
        union all
        select 'repurchases.csv' as file, 'category' as scope, category as value from {{ ref('repurchases') }}

    ),

    cleaned as (

        select distinct
            file,
            scope,
            {{ normalized_rule_value('scope', 'value') }} as value
        from named

    ),

    existing as (

        select 'product' as scope, product_id as value from {{ ref('dim_products') }}
        union
        select 'category' as scope, category as value from {{ ref('dim_products') }}
        union
        select 'brand' as scope, brand as value from {{ ref('dim_products') }}

    )

    select
        cleaned.file,
        cleaned.scope,
        cleaned.value
    from cleaned
    left join existing on cleaned.scope = existing.scope and cleaned.value = existing.value
    where cleaned.value is not null and existing.value is null
    order by cleaned.file, cleaned.scope, cleaned.value
{% endset %}

{% if execute and flags.WHICH in ('build', 'test') %}
    {% for rule in run_query(unknown).rows %}
        {% do exceptions.warn(rule['file'] ~ ': the shop has no ' ~ rule['scope'] ~ " '" ~ rule['value'] ~ "'") %}
    {% endfor %}
{% endif %}

{{ unknown }}
