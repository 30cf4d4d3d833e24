with cutoffs as (

    select * from {{ ref('int_feature_cutoffs') }}

),

periods as (

    select
        'mix' as kind,
        'reference' as period,
        cutoff,
        {{ dbt.dateadd('day', 1 - var('drift_current_days') - var('drift_reference_days'), 'last_date') }}
            as first_date,
        {{ dbt.dateadd('day', -var('drift_current_days'), 'last_date') }} as last_date
    from cutoffs
    where cutoff = 'now'

    union all

    select
        'mix' as kind,
        'current' as period,
        cutoff,
        {{ dbt.dateadd('day', 1 - var('drift_current_days'), 'last_date') }} as first_date,
        last_date
    from cutoffs
    where cutoff = 'now'

    union all

    -- The windows of features end with a cutoff and have 28 days.
    select
        'feature' as kind,
        case when cutoff = 'test' then 'reference' else 'current' end as period,
        cutoff,
        {{ dbt.dateadd('day', -27, 'last_date') }} as first_date,
        last_date
    from cutoffs
    where cutoff in ('test', 'now')

),

periods_with_start as (

    select
        *,
        min(first_date) over (partition by kind) as reference_start,
        (
            select min(days.action_date) from {{ ref('int_action_days') }} as days
            where days.action_count > 0
        ) as shop_start
    from periods

)

-- A reference that begins before the shop's first day is incomplete and would look like drift.
select
    kind,
    period,
    cutoff,
    cast(first_date as date) as first_date,
    cast(last_date as date) as last_date,
    {{ dbt.datediff('shop_start', 'reference_start', 'day') }} as days_before_reference
from periods_with_start
where reference_start >= shop_start
