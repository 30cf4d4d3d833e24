{{ config(
    materialized='incremental',
    incremental_strategy='replace_changed_days',
    on_schema_change='fail',
) }}

with days as (

    {{ changed_days(this) }}

),

actions as (

    select
        *,
        {{ dbt.dateadd('day', 1, 'action_date') }} as day_end
    from {{ ref('int_actions_on_spine') }}

),

-- Purchases without a customer count here, though they tell nobody's taste.
final as (

    select
        actions.product_id,
        actions.action_date,
        max(days.version) as day_version,
        actions.seen_from,
        {{ action_counts('actions') }},
        sum({{ exact('actions.quantity') }}) as quantity,
        sum({{ exact('actions.quantity * actions.price') }}) as revenue,
        sum({{ exact('actions.weight * ' ~ decay('actions.action_at', 'actions.day_end', var('recent_days'))) }})
            as popularity_at_day_end,
        min(actions.action_at) as first_action_at,
        max(actions.action_at) as last_action_at
    from actions
    inner join days on actions.action_date = days.action_date
    group by actions.product_id, actions.action_date, actions.seen_from

)

select * from final
