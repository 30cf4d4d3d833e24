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
    from {{ ref('int_actions_with_cutoffs') }}
    {% if is_incremental() -%}
    where {{ is_on_days(changed_days(this)) }}
    {%- endif %}

),

-- Purchases without a customer count, in contrast to int_user_days.
daily_counts as (

    select
        actions.product_id,
        actions.action_date,
        actions.first_visible_cutoff,
        {{ action_counts('actions') }},
        sum({{ cast_to_decimal('actions.quantity') }}) as quantity,
        sum({{ cast_to_decimal('actions.quantity * actions.price') }}) as revenue,
        sum({{ cast_to_decimal(
            'actions.weight * ' ~ decay('actions.action_at', 'actions.day_end', var('popularity_half_life_days'))
        ) }})
            as popularity_at_day_end,
        min(actions.action_at) as first_action_at,
        max(actions.action_at) as last_action_at
    from actions
    group by actions.product_id, actions.action_date, actions.first_visible_cutoff

),

final as (

    select
        daily_counts.*,
        {{ day_version('days') }} as day_version
    from daily_counts
    inner join days on daily_counts.action_date = days.action_date

)

select * from final
