-- Events of type purchase are not in int_user_days, which has their transactions.
with days as (

    select
        user_id,
        first_action_at,
        last_action_at,
        view_count + click_count + add_to_cart_count + remove_from_cart_count as event_count,
        purchase_count,
        return_count,
        spend,
        mobile_count,
        known_device_count - mobile_count as web_count
    from {{ ref('int_user_days') }}

    union all

    select
        user_id,
        min(event_at) as first_action_at,
        max(event_at) as last_action_at,
        count(*) as event_count,
        0 as purchase_count,
        0 as return_count,
        0 as spend,
        0 as mobile_count,
        0 as web_count
    from {{ ref('fct_events') }}
    where event_type = 'purchase' and user_id is not null
    group by user_id

),

users as (

    select
        user_id,
        min(first_action_at) as first_seen_at,
        max(last_action_at) as last_seen_at,
        sum(event_count) as event_count,
        sum(purchase_count) as purchase_count,
        sum(return_count) as return_count,
        {{ exact_sum('spend') }} as total_spend,
        sum(mobile_count) as mobile_count,
        sum(web_count) as web_count
    from days
    group by user_id

),

orders as (

    select
        user_id,
        count(distinct transaction_id) as order_count
    from {{ ref('fct_transactions') }}
    where user_id is not null and not is_return
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

)

select
    users.user_id,
    users.first_seen_at,
    users.last_seen_at,
    cast(users.event_count as {{ dbt.type_bigint() }}) as event_count,
    cast(users.purchase_count as {{ dbt.type_bigint() }}) as purchase_count,
    cast(users.return_count as {{ dbt.type_bigint() }}) as return_count,
    cast(coalesce(orders.order_count, 0) as {{ dbt.type_bigint() }}) as order_count,
    {{ cast_to_amount('users.total_spend') }} as total_spend,
    ranked_categories.category as favourite_category,
    ranked_brands.brand as favourite_brand,
    case
        when users.mobile_count >= users.web_count and users.mobile_count > 0 then 'mobile'
        when users.web_count > 0 then 'web'
        else 'unknown'
    end as main_device
from users
left join orders on users.user_id = orders.user_id
left join ranked_categories on users.user_id = ranked_categories.user_id and ranked_categories.affinity_rank = 1
left join ranked_brands on users.user_id = ranked_brands.user_id and ranked_brands.affinity_rank = 1
