with actions as (

    select
        *,
        row_number() over (
            partition by user_id
            order by action_at desc, _feed desc, _file desc, _line desc
        ) as action_number
    from {{ ref('int_user_product_actions') }}
    where user_id is not null

),

products as (

    select * from {{ ref('dim_products') }}

),

final as (

    select
        actions.user_id,
        cast(actions.action_number as integer) as action_number,
        actions.action_at,
        actions.action_type,
        actions.product_id,
        products.product_name,
        products.category,
        products.brand,
        actions.quantity,
        coalesce(actions.price, products.price) as price,
        actions.device
    from actions
    inner join products on actions.product_id = products.product_id
    where actions.action_number <= {{ var('timeline_length') }}

)

select * from final
