{%- set current_days, reference_days = var('drift_current_days'), var('drift_reference_days') -%}

-- First and last day of each period, in days before the last day of its cutoff. The windows of features have 28 days;
-- price, recent_popularity and conversion_rate have none.
with day_offsets as (

    select
        'mix' as kind,
        'reference' as period,
        'now' as cutoff,
        {{ current_days + reference_days - 1 }} as first_offset,
        {{ current_days }} as last_offset
    union all
    select 'mix' as kind, 'current' as period, 'now' as cutoff, {{ current_days - 1 }} as first_offset, 0 as last_offset
    union all
    select 'feature' as kind, 'reference' as period, 'test' as cutoff, 27 as first_offset, 0 as last_offset
    union all
    select 'feature' as kind, 'current' as period, 'now' as cutoff, 27 as first_offset, 0 as last_offset

),

periods as (

    select
        day_offsets.kind,
        day_offsets.period,
        day_offsets.cutoff,
        cast({{ dbt.dateadd('day', '-day_offsets.first_offset', 'cutoffs.last_date') }} as date) as first_date,
        cast({{ dbt.dateadd('day', '-day_offsets.last_offset', 'cutoffs.last_date') }} as date) as last_date
    from day_offsets
    inner join {{ ref('int_feature_cutoffs') }} as cutoffs on day_offsets.cutoff = cutoffs.cutoff

),

shop_start as (

    select min(action_date) as first_date
    from {{ ref('int_action_days') }}
    where action_count > 0

),

periods_with_history as (

    select
        periods.*,
        {{ dbt.datediff('shop_start.first_date', 'min(periods.first_date) over (partition by periods.kind)', 'day') }}
            as days_before_reference
    from periods
    cross join shop_start

)

-- A reference that begins before the shop's first day is incomplete and would look like drift.
select * from periods_with_history
where days_before_reference >= 0
