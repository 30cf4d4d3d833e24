{{ config(materialized='view') }}

with days as (

    select
        user_id,
        action_date,
        sum(action_count) over (
            partition by user_id
            order by action_date desc, seen_from desc
            rows between unbounded preceding and current row
        ) - action_count as newer_actions
    from {{ ref('int_user_days') }}

),

-- Whole days, as many as are needed: sorting every customer's actions would cost far more than the few more that this keeps.
shown as (

    select
        user_id,
        min(action_date) as first_day
    from days
    where newer_actions < {{ var('timeline_length') }}
    group by user_id

),

actions as (

    select * from {{ ref('int_user_product_actions') }}

),

products as (

    select * from {{ ref('dim_products') }}

),

readings as (

    select * from {{ ref('int_readings') }}

),

final as (

    select
        actions.user_id,
        actions.action_at,
        actions.action_type,
        actions.product_id,
        products.product_name,
        products.category,
        products.brand,
        actions.quantity,
        coalesce(actions.price, products.price) as price,
        actions.device,
        readings.feed as _feed,
        readings.path as _file,
        actions._line
    from actions
    inner join shown
        on actions.user_id = shown.user_id
        and actions.action_date >= shown.first_day
    inner join products on actions.product_id = products.product_id
    inner join readings on actions._load_id = readings.load_id

)

select * from final
