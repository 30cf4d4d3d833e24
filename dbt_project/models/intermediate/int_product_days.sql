{{ config(
    materialized='incremental',
    incremental_strategy='replace_changed_days',
    on_schema_change='fail',
) }}

with days as (

    select * from {{ ref('int_action_days') }}

),

actions as (

    select
        *,
        {{ dbt.dateadd('day', 1, 'action_date') }} as day_end
    from {{ ref('int_actions_on_spine') }}
    {% if is_incremental() -%}
    where {{ is_on(changed_days(this)) }}
    {%- endif %}

),

-- Purchases without a customer count here, though they tell nobody's taste.
counted as (

    select
        actions.product_id,
        actions.action_date,
        actions.seen_from,
        {{ action_counts('actions') }},
        sum({{ exact('actions.quantity') }}) as quantity,
        sum({{ exact('actions.quantity * actions.price') }}) as revenue,
        sum({{ exact('actions.weight * ' ~ decay('actions.action_at', 'actions.day_end', var('recent_days'))) }})
            as popularity_at_day_end,
        min(actions.action_at) as first_action_at,
        max(actions.action_at) as last_action_at
    from actions
    group by actions.product_id, actions.action_date, actions.seen_from

),

final as (

    select
        counted.*,
        days.version as day_version
    from counted
    inner join days on counted.action_date = days.action_date

)

select * from final
