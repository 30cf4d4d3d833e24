with days as (

    select * from {{ ref('int_user_days') }}

),

active as (

    select
        user_id,
        min(first_action_at) as first_seen_at,
        max(last_action_at) as last_seen_at,
        sum(view_count + click_count + add_to_cart_count + remove_from_cart_count) as event_count,
        sum(purchase_count) as purchase_count,
        sum(return_count) as return_count,
        {{ exact_sum('spend') }} as total_spend,
        sum(mobile_count) as mobile_count,
        sum(known_device_count - mobile_count) as web_count
    from days
    group by user_id

),

-- Events of type purchase are no actions: their transactions are.
purchase_events as (

    select
        user_id,
        min(event_at) as first_seen_at,
        max(event_at) as last_seen_at,
        count(*) as event_count
    from {{ ref('fct_events') }}
    where event_type = 'purchase' and user_id is not null
    group by user_id

),

categories as (

    select
        user_id,
        category,
        row_number() over (partition by user_id order by strength desc, category) as liking_rank
    from {{ ref('feat_user_category_affinity') }}
    where as_of_name = 'now' and strength > 0

),

brands as (

    select
        user_id,
        brand,
        row_number() over (partition by user_id order by strength desc, brand) as liking_rank
    from {{ ref('feat_user_brand_affinity') }}
    where as_of_name = 'now' and strength > 0

),

users as (

    select user_id from active
    union
    select user_id from purchase_events

),

final as (

    select
        users.user_id,
        {{ earlier('active.first_seen_at', 'purchase_events.first_seen_at') }} as first_seen_at,
        {{ later('active.last_seen_at', 'purchase_events.last_seen_at') }} as last_seen_at,
        cast(
            coalesce(active.event_count, 0) + coalesce(purchase_events.event_count, 0) as {{ dbt.type_bigint() }}
        ) as event_count,
        cast(coalesce(active.purchase_count, 0) as {{ dbt.type_bigint() }}) as purchase_count,
        cast(coalesce(active.return_count, 0) as {{ dbt.type_bigint() }}) as return_count,
        coalesce(active.total_spend, 0) as total_spend,
        categories.category as favourite_category,
        brands.brand as favourite_brand,
        case
            when active.mobile_count >= active.web_count and active.mobile_count > 0 then 'mobile'
            when active.web_count > 0 then 'web'
            else 'unknown'
        end as main_device
    from users
    left join active on users.user_id = active.user_id
    left join purchase_events on users.user_id = purchase_events.user_id
    left join categories on users.user_id = categories.user_id and categories.liking_rank = 1
    left join brands on users.user_id = brands.user_id and brands.liking_rank = 1

)

select * from final
