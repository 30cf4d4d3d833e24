{{ config(
    materialized='incremental',
    incremental_strategy='delete+insert',
    unique_key='action_date',
    on_schema_change='fail',
) }}

with current_days as (

    select
        action_date,
        count(*) as action_count,
        -- int_product_days decays with popularity_half_life_days.
        {{ dbt.concat([
            rows_fingerprint([
                '_load_id', '_line', 'action_type', 'action_at', 'weight', 'half_life_days', 'quantity', 'price',
                'period_start', 'weight_reference_at',
            ]),
            "'/" ~ var('popularity_half_life_days') ~ "'",
        ]) }} as content_fingerprint
    from {{ ref('int_actions_with_periods') }}
    group by action_date

)

{%- if is_incremental() %},

-- A day that lost all of its actions keeps a row, so that the models that read its actions notice.
changed_days as (

    select
        coalesce(current_days.action_date, built_days.action_date) as action_date,
        coalesce(current_days.action_count, 0) as action_count,
        coalesce(current_days.content_fingerprint, '') as content_fingerprint
    from current_days
    full outer join {{ this }} as built_days on current_days.action_date = built_days.action_date
    where
        built_days.action_date is null
        or coalesce(current_days.content_fingerprint, '') != built_days.content_fingerprint

)

{%- endif %}

select
    action_date,
    action_count,
    content_fingerprint,
    {{ change_time() }} as changed_at
from {{ 'changed_days' if is_incremental() else 'current_days' }}
