with actions as (

    select
        min(action_at) as first_action_at,
        max(action_at) as last_action_at
    from {{ ref('int_user_product_actions') }}

),

weights as (

    select min(half_life_days) as shortest_half_life_days from {{ ref('event_weights') }}

),

ends as (

    select
        {{ dbt.dateadd('second', 1, 'actions.last_action_at') }} as now_at,
        cast(
            {{ dbt.datediff('actions.first_action_at', 'actions.last_action_at', 'second') }}
            * {{ var('evaluation_share') }} as {{ dbt.type_bigint() }}
        ) as window_seconds,
        30 * 86400 * weights.shortest_half_life_days as weighing_seconds
    from actions
    cross join weights
    where actions.last_action_at is not null

),

-- Where a window is a day or longer, it begins at midnight: a day then lies on one side of it, and from one build to the
-- next only whole days change sides.
tests as (

    select
        *,
        case
            when window_seconds >= 86400
                then {{ dbt.date_trunc('day', dbt.dateadd('second', '-window_seconds', 'now_at')) }}
            else {{ dbt.dateadd('second', '-window_seconds', 'now_at') }}
        end as test_at
    from ends

),

cut_offs as (

    select
        *,
        case
            when window_seconds >= 86400
                then {{ dbt.date_trunc('day', dbt.dateadd('second', '-window_seconds', 'test_at')) }}
            else {{ dbt.dateadd('second', '-window_seconds', 'test_at') }}
        end as validation_at,
        -- A grid: the instant is the same build after build, for thirty of the shortest half-lives. Relative to it no
        -- weight grows beyond two to the thirtieth.
        cast(
            floor({{ dbt.datediff("timestamp '2000-01-01'", 'now_at', 'second') }} / weighing_seconds)
            * weighing_seconds as {{ dbt.type_bigint() }}
        ) as weighed_after_seconds
    from tests

),

instants as (

    select
        'validation' as as_of_name, 0 as position, validation_at as as_of, test_at as window_end, weighed_after_seconds
    from cut_offs
    union all
    select
        'test' as as_of_name, 1 as position, test_at as as_of, now_at as window_end, weighed_after_seconds
    from cut_offs
    union all
    select
        'now' as as_of_name,
        2 as position,
        now_at as as_of,
        cast(null as {{ dbt.type_timestamp() }}) as window_end,
        weighed_after_seconds
    from cut_offs

),

final as (

    select
        as_of_name,
        position,
        as_of,
        window_end,
        cast({{ dbt.dateadd('second', -1, 'as_of') }} as date) as last_day,
        cast(
            {{ dbt.dateadd('second', 'weighed_after_seconds', "timestamp '2000-01-01'") }} as {{ dbt.type_timestamp() }}
        ) as weighed_at
    from instants

)

select * from final
