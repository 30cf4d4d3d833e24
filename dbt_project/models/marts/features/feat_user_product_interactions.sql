with actions as (

    select * from {{ ref('int_user_product_actions') }}
    where user_id is not null

),

spine as (

    select * from {{ ref('int_as_of_spine') }}

),

-- Nothing at or after as_of may be seen.
seen as (

    select
        spine.as_of_name,
        spine.as_of,
        actions.*,
        actions.weight * {{ decay('actions.action_at', 'spine.as_of', 'actions.half_life_days') }} as decayed_weight
    from actions
    inner join spine on actions.action_at < spine.as_of

),

final as (

    select
        as_of_name,
        as_of,
        user_id,
        product_id,
        {{ exact_sum('decayed_weight') }} as strength,
        {{ exact_sum('decayed_weight') }} / count(*) as average_strength,
        count(*) as interaction_count,
        count(case when action_type = 'view' then 1 end) as view_count,
        count(case when action_type = 'click' then 1 end) as click_count,
        count(case when action_type = 'add_to_cart' then 1 end) as add_to_cart_count,
        count(case when action_type = 'remove_from_cart' then 1 end) as remove_from_cart_count,
        count(case when action_type = 'purchase' then 1 end) as purchase_count,
        count(case when action_type = 'return' then 1 end) as return_count,
        {{ exact_sum('quantity') }} as purchased_quantity,
        min(action_at) as first_interaction_at,
        max(action_at) as last_interaction_at
    from seen
    group by as_of_name, as_of, user_id, product_id

)

select * from final
