{{ config(
    materialized='incremental',
    incremental_strategy='replace_changed_days',
    on_schema_change='fail',
) }}

with days as (

    {{ changed_days(this) }}

),

actions as (

    select * from {{ ref('int_actions_on_spine') }}
    where user_id is not null

),

final as (

    select
        actions.user_id,
        actions.action_date,
        max(days.version) as day_version,
        actions.seen_from,
        {{ action_counts('actions') }},
        count(*) as action_count,
        count(distinct actions.session_id) as session_count,
        count(distinct case when actions.action_type = 'purchase' then actions.transaction_id end) as order_count,
        sum({{ exact('actions.quantity * actions.price') }}) as spend,
        count(case when actions.device = 'mobile' then 1 end) as mobile_count,
        count(case when actions.device in ('mobile', 'web') then 1 end) as known_device_count,
        count(case when extract(hour from actions.action_at) between 6 and 17 then 1 end) as daytime_count,
        min(actions.action_at) as first_action_at,
        max(actions.action_at) as last_action_at
    from actions
    inner join days on actions.action_date = days.action_date
    group by actions.user_id, actions.action_date, actions.seen_from

)

select * from final
