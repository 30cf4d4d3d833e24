-- Actions within the window of their type after an impression of the product. The newest impression before the action counts
-- (last touch). A return counts for the newest attributed purchase that it takes back, with the pieces of all of them.
with attributable_actions as (

    select
        actions.*,
        {{ dbt.dateadd(
            'hour', 'cast(-windows.window_hours as ' ~ dbt.type_int() ~ ')', 'actions.action_at'
        ) }} as window_start
    from {{ ref('int_user_product_actions') }} as actions
    inner join {{ ref('attribution_windows') }} as windows on actions.action_type = windows.action_type

),

touches as (

    select
        actions._load_id,
        actions._line,
        impressions.placement,
        impressions.rank,
        impressions.seen_at,
        impressions.basis,
        impressions.recommendation_id,
        impressions.experiment,
        impressions.arm,
        impressions.run_id,
        impressions.source,
        impressions.reason_key,
        row_number() over (
            partition by actions._load_id, actions._line
            order by impressions.seen_at desc, impressions.rank, impressions.placement, impressions.recommendation_id
        ) as touch_number
    from attributable_actions as actions
    inner join {{ ref('fct_impressions') }} as impressions
        on actions.user_id = impressions.user_id
        and actions.product_id = impressions.product_id
        and actions.action_at >= impressions.seen_at
        and actions.window_start < impressions.seen_at

),

newest_touches as (

    select * from touches
    where touch_number = 1

),

returned_purchases as (

    select
        returned._load_id,
        returned._line,
        returned.purchase_load_id,
        returned.purchase_line,
        sum(returned.quantity) over (partition by returned._load_id, returned._line) as quantity,
        row_number() over (
            partition by returned._load_id, returned._line
            order by returned.purchase_number desc
        ) as purchase_order
    from {{ ref('int_returned_purchases') }} as returned
    inner join newest_touches
        on returned.purchase_load_id = newest_touches._load_id
        and returned.purchase_line = newest_touches._line

),

touched_actions as (

    select
        _load_id,
        _line,
        _load_id as touched_load_id,
        _line as touched_line,
        cast(null as {{ type_double() }}) as returned_quantity
    from newest_touches

    union all

    select
        _load_id,
        _line,
        purchase_load_id as touched_load_id,
        purchase_line as touched_line,
        quantity as returned_quantity
    from returned_purchases
    where purchase_order = 1

)

select
    actions.user_id,
    actions.product_id,
    actions.action_type,
    actions.action_at,
    actions.action_date,
    coalesce(-touched_actions.returned_quantity, actions.quantity) as quantity,
    {{ cast_to_amount('coalesce(-touched_actions.returned_quantity, actions.quantity) * actions.price') }} as amount,
    actions.transaction_id,
    touches.placement,
    touches.rank,
    touches.seen_at,
    touches.basis,
    touches.recommendation_id,
    touches.experiment,
    touches.arm,
    touches.run_id,
    touches.source,
    touches.reason_key,
    actions._line,
    actions._load_id
from touched_actions
inner join newest_touches as touches
    on touched_actions.touched_load_id = touches._load_id
    and touched_actions.touched_line = touches._line
inner join {{ ref('int_user_product_actions') }} as actions
    on touched_actions._load_id = actions._load_id
    and touched_actions._line = actions._line
