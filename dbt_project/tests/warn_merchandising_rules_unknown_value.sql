{{ config(severity='warn', meta={'dagster': {'ref': {'name': 'rec_product_rules'}}}) }}

-- Warns of rules with an unknown product, category, brand or rule set, which have no effect and may be spelling mistakes. Dagster
-- shows a test at an asset that the test depends on: -- depends_on: {{ ref('rec_product_rules') }}
with rule_values as (

    select 'blocks.csv' as file, scope, value from {{ ref('blocks') }}
    union all
    select 'pins.csv' as file, 'product' as scope, product_id as value from {{ ref('pins') }}
    union all
    select 'pins.csv' as file, 'category' as scope, favourite_category as value from {{ ref('pins') }}
    union all
    select 'caps.csv' as file, scope, value from {{ ref('caps') }}
    union all
    select 'repurchases.csv' as file, 'category' as scope, category as value from {{ ref('repurchases') }}
    {%- for rules in ['blocks', 'pins', 'caps', 'repurchases'] %}
    union all
    select '{{ rules }}.csv' as file, 'rule set' as scope, rule_set as value from {{ ref(rules) }}
    {%- endfor %}

),

normalized_values as (

    select distinct
        file,
        scope,
        {{ normalized_rule_value('scope', 'value') }} as value
    from rule_values

),

shop_values as (

    select 'product' as scope, product_id as value from {{ ref('dim_products') }}
    union
    select 'category' as scope, category as value from {{ ref('dim_products') }}
    union
    select 'brand' as scope, brand as value from {{ ref('dim_products') }}
    union
    select 'rule set' as scope, {{ rule_set_of_policy(clean_text('policy')) }} as value from {{ experiment_rows() }}

)

select
    concat(
        normalized_values.file,
        case
            when normalized_values.scope = 'rule set'
                then concat(': experiments.csv has no policy ''rules:', normalized_values.value, '''')
            else concat(': the shop has no ', normalized_values.scope, ' ''', normalized_values.value, '''')
        end
    ) as message
from normalized_values
left join shop_values on normalized_values.scope = shop_values.scope and normalized_values.value = shop_values.value
where normalized_values.value is not null and shop_values.value is null
order by normalized_values.file, normalized_values.scope, normalized_values.value
