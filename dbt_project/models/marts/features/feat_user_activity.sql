with actions as (

    select * from {{ ref('int_user_product_actions') }}
    where user_id is not null

),

spine as (

    select * from {{ ref('int_as_of_spine') }}

),

counted as (

    select
        spine.as_of_name,
        spine.as_of,
        actions.user_id,
        count(*) as action_count,
        count(case when actions.action_type = 'view' then 1 end) as view_count,
        count(case when actions.action_type = 'click' then 1 end) as click_count,
        count(case when actions.action_type = 'add_to_cart' then 1 end) as add_to_cart_count,
        count(case when actions.action_type = 'remove_from_cart' then 1 end) as remove_from_cart_count,
        count(case when actions.action_type = 'purchase' then 1 end) as purchase_count,
        count(case when actions.action_type = 'return' then 1 end) as return_count,
        count(distinct cast(actions.action_at as date)) as active_days,
        count(distinct actions.session_id) as session_count,
        {{ exact_sum('actions.quantity * actions.price') }} as total_spend,
        count(case when actions.device = 'mobile' then 1 end) as mobile_count,
        count(case when actions.device in ('mobile', 'web') then 1 end) as known_device_count,
        min(actions.action_at) as first_action_at,
        max(actions.action_at) as last_action_at
    from actions
    inner join spine on actions.action_at < spine.as_of
    group by spine.as_of_name, spine.as_of, actions.user_id

),

final as (

    select
        as_of_name,
        as_of,
        user_id,
        action_count,
        view_count,
        click_count,
        add_to_cart_count,
        remove_from_cart_count,
        purchase_count,
        return_count,
        active_days,
        session_count,
        total_spend,
        cast(mobile_count as {{ type_double() }}) / nullif(known_device_count, 0) as mobile_share,
        {{ days_between('last_action_at', 'as_of') }} as recency_days,
        {{ days_between('first_action_at', 'as_of') }} as tenure_days,
        first_action_at,
        last_action_at
    from counted

)

select * from final
