with action_span as (

    select
        min(action_at) as first_action_at,
        max(action_at) as last_action_at
    from {{ ref('int_user_product_actions') }}

),

half_lives as (

    select min(half_life_days) as min_half_life_days from {{ ref('event_weights') }}

),

span_end as (

    select
        {{ dbt.dateadd('second', 1, 'action_span.last_action_at') }} as now_at,
        cast(
            {{ dbt.datediff('action_span.first_action_at', 'action_span.last_action_at', 'second') }}
            * {{ var('evaluation_share') }} as {{ dbt.type_bigint() }}
        ) as window_seconds,
        30 * 86400 * half_lives.min_half_life_days as reference_step_seconds
    from action_span
    cross join half_lives
    where action_span.last_action_at is not null

),

-- A window of a day or longer begins at midnight, so that it splits no day and a new build moves whole days only.
test_cutoff as (

    select
        *,
        case
            when window_seconds >= 86400
                then {{ dbt.date_trunc('day', dbt.dateadd('second', '-window_seconds', 'now_at')) }}
            else {{ dbt.dateadd('second', '-window_seconds', 'now_at') }}
        end as test_at
    from span_end

),

cutoff_times as (

    select
        *,
        case
            when window_seconds >= 86400
                then {{ dbt.date_trunc('day', dbt.dateadd('second', '-window_seconds', 'test_at')) }}
            else {{ dbt.dateadd('second', '-window_seconds', 'test_at') }}
        end as validation_at,
        -- The reference time lies on a grid and is equal in all builds within thirty of the shortest half-lives. A weight
        -- relative to it grows by a factor of 2^30 at most.
        cast(
            floor({{ dbt.datediff("timestamp '2000-01-01'", 'now_at', 'second') }} / reference_step_seconds)
            * reference_step_seconds as {{ dbt.type_bigint() }}
        ) as reference_offset_seconds
    from test_cutoff

),

cutoffs as (

    select
        'validation' as cutoff,
        0 as cutoff_index,
        validation_at as as_of,
        test_at as window_end_at,
        reference_offset_seconds
    from cutoff_times
    union all
    select
        'test' as cutoff, 1 as cutoff_index, test_at as as_of, now_at as window_end_at, reference_offset_seconds
    from cutoff_times
    union all
    select
        'now' as cutoff,
        2 as cutoff_index,
        now_at as as_of,
        cast(null as {{ dbt.type_timestamp() }}) as window_end_at,
        reference_offset_seconds
    from cutoff_times

),

final as (

    select
        cutoff,
        cutoff_index,
        as_of,
        window_end_at,
        cast({{ dbt.dateadd('second', -1, 'as_of') }} as date) as last_date,
        cast(
            {{ dbt.dateadd('second', 'reference_offset_seconds', "timestamp '2000-01-01'") }}
            as {{ dbt.type_timestamp() }}
        ) as weight_reference_at
    from cutoffs

)

select * from final
