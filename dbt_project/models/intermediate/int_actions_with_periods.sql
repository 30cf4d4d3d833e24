{{ config(materialized='view') }}

-- Cutoffs within a day. A part of the day begins with each. The part that begins with cutoff 'now' has no actions.
with day_parts as (

    select
        as_of as part_start,
        cast(as_of as date) as part_date,
        lead(as_of) over (order by as_of) as next_part_start
    from {{ ref('int_feature_cutoffs') }}
    where as_of != {{ dbt.date_trunc('day', 'as_of') }}

)

select
    actions.*,
    coalesce(day_parts.part_start, cast(actions.action_date as {{ dbt.type_timestamp() }})) as period_start,
    weight_reference.weight_reference_at,
    actions.weight
    * {{ decay('actions.action_at', 'weight_reference.weight_reference_at', 'actions.half_life_days') }}
        as weight_at_reference
from {{ ref('int_user_product_actions') }} as actions
cross join {{ ref('int_weight_reference') }} as weight_reference
left join day_parts
    on actions.action_date = day_parts.part_date
    and actions.action_at >= day_parts.part_start
    and (day_parts.next_part_start is null or actions.action_at < day_parts.next_part_start)
