-- Actions within the window of their type after an impression of the product. The newest impression before the action counts
-- (last touch). A return takes back the customer's newest purchase of the product before it.
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

returned_purchases as (

    select
        returns._load_id,
        returns._line,
        purchases._load_id as purchase_load_id,
        purchases._line as purchase_line,
        row_number() over (
            partition by returns._load_id, returns._line
            order by purchases.action_at desc, purchases._load_id desc, purchases._line desc
        ) as purchase_number
    from {{ ref('int_user_product_actions') }} as returns
    inner join {{ ref('int_user_product_actions') }} as purchases
        on returns.user_id = purchases.user_id
        and returns.product_id = purchases.product_id
        and returns.action_at >= purchases.action_at
        and purchases.action_type = 'purchase'
    where returns.action_type = 'return'

),

touched_actions as (

    select
        touches._load_id,
        touches._line,
        touches._load_id as touched_load_id,
        touches._line as touched_line
    from touches
    where touch_number = 1

    union all

    select
        returned_purchases._load_id,
        returned_purchases._line,
        returned_purchases.purchase_load_id as touched_load_id,
        returned_purchases.purchase_line as touched_line
    from returned_purchases
    inner join touches
        on returned_purchases.purchase_load_id = touches._load_id
        and returned_purchases.purchase_line = touches._line
    where returned_purchases.purchase_number = 1 and touches.touch_number = 1

)

select
    actions.user_id,
    actions.product_id,
    actions.action_type,
    actions.action_at,
    actions.action_date,
    actions.quantity,
    {{ cast_to_amount('actions.quantity * actions.price') }} as amount,
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
inner join touches
    on touched_actions.touched_load_id = touches._load_id
    and touched_actions.touched_line = touches._line
    and touches.touch_number = 1
inner join {{ ref('int_user_product_actions') }} as actions
    on touched_actions._load_id = actions._load_id
    and touched_actions._line = actions._line
