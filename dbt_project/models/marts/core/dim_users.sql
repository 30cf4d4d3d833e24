with days as (

    select * from {{ ref('int_user_days') }}

),

action_totals as (

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

-- Events of type purchase are not in int_user_days, which has their transactions.
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

ranked_categories as (

    select
        user_id,
        category,
        row_number() over (partition by user_id order by strength desc, category) as affinity_rank
    from {{ ref('feat_user_category_affinity') }}
    where cutoff = 'now' and strength > 0

),

ranked_brands as (

    select
        user_id,
        brand,
        row_number() over (partition by user_id order by strength desc, brand) as affinity_rank
    from {{ ref('feat_user_brand_affinity') }}
    where cutoff = 'now' and strength > 0

),

users as (

    select user_id from action_totals
    union
    select user_id from purchase_events

),

final as (

    select
        users.user_id,
        {{ earlier_timestamp('action_totals.first_seen_at', 'purchase_events.first_seen_at') }} as first_seen_at,
        {{ later_timestamp('action_totals.last_seen_at', 'purchase_events.last_seen_at') }} as last_seen_at,
        cast(
            coalesce(action_totals.event_count, 0) + coalesce(purchase_events.event_count, 0) as {{ dbt.type_bigint() }}
        ) as event_count,
        cast(coalesce(action_totals.purchase_count, 0) as {{ dbt.type_bigint() }}) as purchase_count,
        cast(coalesce(action_totals.return_count, 0) as {{ dbt.type_bigint() }}) as return_count,
        {{ cast_to_amount('coalesce(action_totals.total_spend, 0)') }} as total_spend,
        ranked_categories.category as favourite_category,
        ranked_brands.brand as favourite_brand,
        case
            when action_totals.mobile_count >= action_totals.web_count and action_totals.mobile_count > 0 then 'mobile'
            when action_totals.web_count > 0 then 'web'
            else 'unknown'
        end as main_device
    from users
    left join action_totals on users.user_id = action_totals.user_id
    left join purchase_events on users.user_id = purchase_events.user_id
    left join ranked_categories on users.user_id = ranked_categories.user_id and ranked_categories.affinity_rank = 1
    left join ranked_brands on users.user_id = ranked_brands.user_id and ranked_brands.affinity_rank = 1

)

select * from final
