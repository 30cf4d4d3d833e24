{{ config(
    materialized='incremental',
    incremental_strategy='replace_outdated',
    unique_key='action_date',
    on_schema_change='fail',
    meta={'outdated': 'changed_days'},
) }}

with actions as (

    select
        *,
        {{ dbt.dateadd('day', 1, 'action_date') }} as day_end
    from {{ ref('int_actions_with_periods') }}
    {% if is_incremental() -%}
    where action_date in ({{ changed_days(this) }})
    {%- endif %}

)

-- Purchases without a customer count, in contrast to int_user_days.
select
    product_id,
    action_date,
    period_start,
    {{ action_counts() }},
    sum({{ cast_to_decimal('quantity') }}) as quantity,
    sum({{ cast_to_decimal('quantity * price') }}) as revenue,
    sum({{ cast_to_decimal('weight * ' ~ decay('action_at', 'day_end', var('popularity_half_life_days'))) }})
        as popularity_at_day_end,
    min(action_at) as first_action_at,
    max(action_at) as last_action_at,
    {{ newest_change() }} as actions_changed_at
from actions
group by product_id, action_date, period_start
