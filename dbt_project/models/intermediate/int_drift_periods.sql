with cutoffs as (

    select * from {{ ref('int_feature_cutoffs') }}

),

shop_start as (

    select min(action_date) as first_action_date from {{ ref('int_action_days') }}

),

periods as (

    select
        'mix' as kind,
        'reference' as period,
        cutoff,
        {{ dbt.dateadd('day', 1 - var('drift_current_days') - var('drift_reference_days'), 'last_date') }} as first_date,
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

-- Kinds whose reference does not begin before the shop's first day. An incomplete period would look like drift.
complete_kinds as (

    select
        periods.kind,
        {{ dbt.datediff('min(shop_start.first_action_date)', 'min(periods.first_date)', 'day') }}
            as days_before_reference
    from periods
    cross join shop_start
    group by periods.kind
    having min(periods.first_date) >= min(shop_start.first_action_date)

),

final as (

    select
        periods.kind,
        periods.period,
        periods.cutoff,
        cast(periods.first_date as date) as first_date,
        cast(periods.last_date as date) as last_date,
        complete_kinds.days_before_reference
    from periods
    inner join complete_kinds on periods.kind = complete_kinds.kind

)

select * from final
