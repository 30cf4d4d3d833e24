{{ config(materialized='view') }}

with actions as (

    select * from {{ ref('int_user_product_actions') }}

),

instants as (

    select
        max(case when as_of_name = 'validation' then as_of end) as validation_at,
        max(case when as_of_name = 'test' then as_of end) as test_at,
        max(weighed_at) as weighed_at
    from {{ ref('int_as_of_spine') }}

),

final as (

    select
        actions.*,
        case
            when actions.action_at < instants.validation_at then 0
            when actions.action_at < instants.test_at then 1
            else 2
        end as seen_from,
        instants.weighed_at,
        actions.weight * {{ decay('actions.action_at', 'instants.weighed_at', 'actions.half_life_days') }} as common_weight
    from actions
    cross join instants

)

select * from final
