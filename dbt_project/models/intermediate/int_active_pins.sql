{{ config(materialized='view') }}

with active_pins as (

    select
        {{ clean_id('pins.product_id') }} as product_id,
        lower({{ clean_text('pins.favourite_category') }}) as favourite_category,
        cast(pins.position as {{ dbt.type_int() }}) as position,
        pins.rule_set
    from {{ ref('pins') }} as pins
    left join {{ ref('int_feature_cutoffs') }} as cutoffs on cutoffs.cutoff = 'now'
    where {{ is_active_on('pins', 'cutoffs.last_date') }}

),

pins_by_rule_set as (

    {{ rules_by_rule_set('active_pins', 'rules.product_id, rules.favourite_category') }}

)

select
    applied_rule_set as rule_set,
    product_id,
    favourite_category,
    min(position) as position
from pins_by_rule_set
group by applied_rule_set, product_id, favourite_category
