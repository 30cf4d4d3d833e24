with events as (

    select
        user_id,
        min(event_at) as first_seen_at,
        max(event_at) as last_seen_at,
        count(*) as event_count
    from {{ ref('fct_events') }}
    where user_id is not null
    group by user_id

),

transactions as (

    select
        user_id,
        min(purchased_at) as first_seen_at,
        max(purchased_at) as last_seen_at,
        count(case when not is_return then 1 end) as purchase_count,
        count(case when is_return then 1 end) as return_count,
        {{ exact_sum('amount') }} as total_spend
    from {{ ref('fct_transactions') }}
    where user_id is not null
    group by user_id

),

seen as (

    select user_id, first_seen_at, last_seen_at from events
    union all
    select user_id, first_seen_at, last_seen_at from transactions

),

users as (

    select
        user_id,
        min(first_seen_at) as first_seen_at,
        max(last_seen_at) as last_seen_at
    from seen
    group by user_id

),

liking as (

    select
        interactions.user_id,
        products.category,
        products.brand,
        sum({{ exact('interactions.strength') }}) as strength
    from {{ ref('feat_user_product_interactions') }} as interactions
    inner join {{ ref('dim_products') }} as products on interactions.product_id = products.product_id
    where interactions.as_of_name = 'now'
    group by interactions.user_id, products.category, products.brand

),

categories as (

    select
        user_id,
        category,
        row_number() over (partition by user_id order by sum(strength) desc, category) as liking_rank
    from liking
    where category is not null
    group by user_id, category
    having sum(strength) > 0

),

brands as (

    select
        user_id,
        brand,
        row_number() over (partition by user_id order by sum(strength) desc, brand) as liking_rank
    from liking
    where brand is not null
    group by user_id, brand
    having sum(strength) > 0

),

devices as (

    select
        user_id,
        device,
        row_number() over (partition by user_id order by count(*) desc, device) as use_rank
    from {{ ref('fct_events') }}
    where user_id is not null and device != 'unknown'
    group by user_id, device

),

final as (

    select
        users.user_id,
        users.first_seen_at,
        users.last_seen_at,
        coalesce(events.event_count, 0) as event_count,
        coalesce(transactions.purchase_count, 0) as purchase_count,
        coalesce(transactions.return_count, 0) as return_count,
        coalesce(transactions.total_spend, 0) as total_spend,
        categories.category as favourite_category,
        brands.brand as favourite_brand,
        coalesce(devices.device, 'unknown') as main_device
    from users
    left join events on users.user_id = events.user_id
    left join transactions on users.user_id = transactions.user_id
    left join categories on users.user_id = categories.user_id and categories.liking_rank = 1
    left join brands on users.user_id = brands.user_id and brands.liking_rank = 1
    left join devices on users.user_id = devices.user_id and devices.use_rank = 1

)

select * from final
