{{ config(
    materialized='incremental',
    incremental_strategy='replace_changed_days',
    on_schema_change='fail',
) }}

-- noqa: disable=LT02
with days as (

    select * from {{ ref('int_action_days') }}

),

actions as (

    select * from {{ ref('int_actions_with_cutoffs') }}
    where
        user_id is not null
        {% if is_incremental() -%}
        and {{ is_on_days(changed_days(this)) }}
        {%- endif %}

),

daily_counts as (

    select
        actions.user_id,
        actions.action_date,
        actions.first_visible_cutoff,
        {{ action_counts('actions') }},
        count(*) as action_count,
        count(distinct actions.session_id) as session_count,
        sum({{ cast_to_decimal('actions.quantity * actions.price') }}) as spend,
        count(case when actions.device = 'mobile' then 1 end) as mobile_count,
        count(case when actions.device in ('mobile', 'web') then 1 end) as known_device_count,
        count(case when extract(hour from actions.action_at) between 6 and 17 then 1 end) as daytime_count,
        min(actions.action_at) as first_action_at,
        max(actions.action_at) as last_action_at
    from actions
    group by actions.user_id, actions.action_date, actions.first_visible_cutoff

),

final as (

    select
        daily_counts.*,
        {{ day_version('days') }} as day_version
    from daily_counts
    inner join days on daily_counts.action_date = days.action_date

)

select * from final
