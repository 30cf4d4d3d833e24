-- Actions within the window of their type after an impression of the product; the newest impression counts (last touch).
with candidate_actions as (

    select
        actions.*,
        {{ dbt.dateadd('hour', '-windows.window_hours', 'actions.action_at') }} as window_start
    from {{ ref('int_user_product_actions') }} as actions
    inner join {{ ref('attribution_windows') }} as windows on actions.action_type = windows.action_type
    where actions.user_id is not null

),

touches as (

    select
        actions._load_id,
        actions._line,
        actions.action_type,
        actions.action_at,
        actions.action_date,
        actions.quantity,
        actions.price,
        actions.transaction_id,
        impressions.*,
        row_number() over (
            partition by actions._load_id, actions._line
            order by impressions.seen_at desc, impressions.rank, impressions.placement
        ) as touch_number
    from candidate_actions as actions
    inner join {{ ref('fct_impressions') }} as impressions
        on actions.user_id = impressions.user_id
        and actions.product_id = impressions.product_id
        and actions.action_at >= impressions.seen_at
        and actions.window_start < impressions.seen_at

)

select * from touches
