with action_span as (

    select
        {{ dbt.dateadd('second', 1, 'max(action_at)') }} as now_at,
        cast(
            {{ dbt.datediff('min(action_at)', 'max(action_at)', 'second') }}
            * {{ var('evaluation_share') }} as {{ dbt.type_bigint() }}
        ) as window_seconds
    from {{ ref('int_user_product_actions') }}
    having count(*) > 0

),

cutoff_times as (

    select
        feature_cutoffs.cutoff,
        feature_cutoffs.windows_before_now,
        action_span.window_seconds,
        {{ dbt.dateadd(
            'second',
            'cast(-feature_cutoffs.windows_before_now * action_span.window_seconds as ' ~ dbt.type_bigint() ~ ')',
            'action_span.now_at',
        ) }} as exact_at
    from {{ ref('feature_cutoffs') }} as feature_cutoffs
    cross join action_span

),

-- Windows of a day or longer begin at midnight, so that they divide no day.
cutoffs as (

    select
        cutoff,
        windows_before_now,
        case
            when window_seconds >= 86400 and windows_before_now > 0 then {{ dbt.date_trunc('day', 'exact_at') }}
            else exact_at
        end as as_of
    from cutoff_times

)

select
    cutoff,
    as_of,
    lead(as_of) over (order by windows_before_now desc) as window_end_at,
    cast({{ dbt.dateadd('second', -1, 'as_of') }} as date) as last_date
from cutoffs
