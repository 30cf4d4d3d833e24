{{ config(
    materialized='incremental',
    incremental_strategy='replace_outdated',
    unique_key=['_load_id', '_line'],
    on_schema_change='fail',
    meta={'outdated': 'outdated_lists'},
) }}
-- depends_on: {{ ref('int_outdated_days') }}
{% set columns = [
    'user_id', 'placement', 'published_at', 'experiment', 'arm', 'run_id', 'product_ids', 'sources', 'reason_keys',
    'publication', '_line', '_load_id',
] %}

with lists as (

    select {{ columns | join(', ') }} from {{ ref('int_recommendation_lists_classified') }}
    where
        row_status = 'clean' and {{ is_in_sample('user_id') }}
        {%- if is_incremental() %}
        and _row_date >= {{ first_outdated_list_day() }}

    union all

    -- The lists that were live at the start of the first outdated day, or that the lists of outdated days followed.
    select {{ columns | join(', ') }} from {{ this }}
    where
        (_load_id, _line) in ({{ outdated_lists(this) }})
        and cast(published_at as date) < {{ first_outdated_list_day() }}
        {%- endif %}

),

-- Without the lists, because sorting them would take several times as long.
periods as (

    select
        _load_id,
        _line,
        lead(published_at) over (partition by user_id, placement order by published_at) as live_until
    from lists

)

select
    lists.user_id,
    lists.placement,
    lists.published_at,
    periods.live_until,
    lists.experiment,
    lists.arm,
    lists.run_id,
    lists.product_ids,
    lists.sources,
    lists.reason_keys,
    lists.publication,
    lists._line,
    lists._load_id
from lists
inner join periods on lists._load_id = periods._load_id and lists._line = periods._line
