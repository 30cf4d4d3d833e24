{{ config(severity='warn', meta={'dagster': {'ref': {'name': 'rec_product_rules'}}}) }}

-- Warns of rules with an unknown product, category, brand or rule set, which have no effect and may be spelling mistakes. Dagster
-- shows a test at an asset that the test depends on: -- depends_on: {{ ref('rec_product_rules') }}
with rule_values as (

    select rule_id, scope, value from {{ ref('rec_active_rules') }}
    union all
    select rule_id, 'category' as scope, favourite_category as value from {{ ref('rec_active_rules') }}
    union all
    select rule_id, 'rule set' as scope, rule_set as value from {{ ref('rec_active_rules') }}

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
        'rule ', rule_values.rule_id,
        case
            when rule_values.scope = 'rule set'
                then concat(': experiments.csv has no policy ''rules:', rule_values.value, '''')
            else concat(': the shop has no ', rule_values.scope, ' ''', rule_values.value, '''')
        end
    ) as message
from rule_values
left join shop_values on rule_values.scope = shop_values.scope and rule_values.value = shop_values.value
where rule_values.value is not null and shop_values.value is null
order by rule_values.rule_id, rule_values.scope, rule_values.value
