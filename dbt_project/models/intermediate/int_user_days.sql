{{ config(
    materialized='incremental',
    incremental_strategy='replace_outdated',
    unique_key='action_date',
    on_schema_change='fail',
    meta={'outdated': 'changed_days'},
) }}

-- noqa: disable=LT02
select
    user_id,
    action_date,
    period_start,
    {{ action_counts() }},
    count(*) as action_count,
    count(distinct session_id) as session_count,
    sum({{ cast_to_decimal('quantity * price') }}) as spend,
    sum(case when action_type = 'purchase' then {{ cast_to_decimal('quantity * price') }} end) as purchase_spend,
    count(case when device = 'mobile' then 1 end) as mobile_count,
    count(case when device in ('mobile', 'web') then 1 end) as known_device_count,
    count(case when extract(hour from action_at) between 6 and 17 then 1 end) as daytime_count,
    min(action_at) as first_action_at,
    max(action_at) as last_action_at,
    {{ newest_change() }} as actions_changed_at
from {{ ref('int_actions_with_periods') }}
where
    user_id is not null
    {% if is_incremental() -%}
    and action_date in ({{ changed_days(this) }})
    {%- endif %}
group by user_id, action_date, period_start
