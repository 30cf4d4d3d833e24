with actions as (

    select
        min(action_at) as first_action_at,
        max(action_at) as last_action_at
    from {{ ref('int_user_product_actions') }}

),

ends as (

    select
        {{ dbt.dateadd('second', 1, 'last_action_at') }} as now_at,
        cast(
            {{ dbt.datediff('first_action_at', 'last_action_at', 'second') }} * {{ var('evaluation_share') }}
            as {{ dbt.type_bigint() }}
        ) as window_seconds
    from actions
    where last_action_at is not null

),

cut_offs as (

    select
        now_at,
        {{ dbt.dateadd('second', '-window_seconds', 'now_at') }} as test_at,
        {{ dbt.dateadd('second', '-2 * window_seconds', 'now_at') }} as validation_at
    from ends

),

final as (

    select 'validation' as as_of_name, validation_at as as_of, test_at as window_end from cut_offs
    union all
    select 'test' as as_of_name, test_at as as_of, now_at as window_end from cut_offs
    union all
    select 'now' as as_of_name, now_at as as_of, cast(null as {{ dbt.type_timestamp() }}) as window_end from cut_offs

)

select * from final
