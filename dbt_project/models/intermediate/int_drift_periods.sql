with spine as (

    select * from {{ ref('int_as_of_spine') }}

),

shop as (

    select min(action_date) as first_action_day from {{ ref('int_action_days') }}

),

periods as (

    select
        'mix' as kind,
        'reference' as period,
        as_of_name,
        {{ dbt.dateadd('day', 1 - var('drift_days') - var('drift_reference_days'), 'last_day') }} as first_day,
        {{ dbt.dateadd('day', -var('drift_days'), 'last_day') }} as last_day
    from spine
    where as_of_name = 'now'

    union all

    select
        'mix' as kind,
        'present' as period,
        as_of_name,
        {{ dbt.dateadd('day', 1 - var('drift_days'), 'last_day') }} as first_day,
        last_day
    from spine
    where as_of_name = 'now'

    union all

    select
        'feature' as kind,
        case when as_of_name = 'test' then 'reference' else 'present' end as period,
        as_of_name,
        {{ dbt.dateadd('day', -27, 'last_day') }} as first_day,
        last_day
    from spine
    where as_of_name in ('test', 'now')

),

-- What is only half there seems to change as the rest of it comes.
enough as (

    select
        periods.kind,
        {{ dbt.datediff('min(shop.first_action_day)', 'min(periods.first_day)', 'day') }} as days_before
    from periods
    cross join shop
    group by periods.kind
    having min(periods.first_day) >= min(shop.first_action_day)

),

final as (

    select
        periods.kind,
        periods.period,
        periods.as_of_name,
        cast(periods.first_day as date) as first_day,
        cast(periods.last_day as date) as last_day,
        enough.days_before
    from periods
    inner join enough on periods.kind = enough.kind

)

select * from final
