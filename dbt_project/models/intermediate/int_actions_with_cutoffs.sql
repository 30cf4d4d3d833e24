{{ config(materialized='view') }}

with actions as (

    select * from {{ ref('int_user_product_actions') }}

),

cutoffs as (

    select
        max(case when cutoff = 'validation' then as_of end) as validation_at,
        max(case when cutoff = 'test' then as_of end) as test_at,
        max(weight_reference_at) as weight_reference_at
    from {{ ref('int_feature_cutoffs') }}

),

final as (

    select
        actions.*,
        case
            when actions.action_at < cutoffs.validation_at then 0
            when actions.action_at < cutoffs.test_at then 1
            else 2
        end as first_visible_cutoff,
        cutoffs.weight_reference_at,
        actions.weight * {{ decay('actions.action_at', 'cutoffs.weight_reference_at', 'actions.half_life_days') }}
            as weight_at_reference
    from actions
    cross join cutoffs

)

select * from final
