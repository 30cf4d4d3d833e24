-- The tables of the demo shop in one DuckDB script, without tests, ledger, rejected lines or increments. The caller sets
-- the variables landing (folder) and weights (CSV file).

-- step: read

create table catalog as
with pages as (
    select
        filename,
        unnest(products) as product,
        generate_subscripts(products, 1) as line,
    from read_json(getvariable('landing') || '/catalog/*/*.json', columns = {products: 'json[]'}, filename = true)
),

typed as (
    select
        nullif(trim(product ->> 'product_id'), '') as product_id,
        product ->> 'name' as product_name,
        lower(product ->> 'category') as category,
        lower(product ->> 'brand') as brand,
        product ->> 'price' as price_text,
        try_cast(product ->> 'price' as double) as price,
        cast(product ->> 'popularity_score' as double) as popularity_score,
        cast(product ->> 'in_stock' as boolean) as is_available,
        cast(regexp_extract(filename, '(\d{4}-\d{2}-\d{2})[/\\][^/\\]*$', 1) as timestamp) as effective_at,
        filename,
        line,
    from pages
),

changed as (
    select * from typed
    qualify row(product_name, category, brand, price_text, popularity_score, is_available) is distinct from
        lag(row(product_name, category, brand, price_text, popularity_score, is_available)) over (
            partition by product_id order by effective_at, filename, line
        )
)

select
    *,
    nullif(concat_ws(';',
        case when price < 0 or (price is null and price_text is not null) then 'bad_price' end,
        case when product_id is null then 'missing_product' end
    ), '') as reasons,
from changed;

create view quarantine_products as
select * exclude (price_text, effective_at, filename, line), filename as _file
from catalog
where reasons is not null;

-- Reads the lines as text, because read_json with ignore_errors loses some valid lines after a damaged line.
create table events as
with lines as (
    select
        unnest(from_json(line, '{
            "user_id": "varchar", "product_id": "varchar", "event_type": "varchar", "timestamp": "varchar",
            "device": "varchar", "session_id": "varchar", "app_version": "varchar"
        }')),
        filename,
    from read_csv(
        [getvariable('landing') || '/clickstream/*.jsonl', getvariable('landing') || '/clickstream/*.jsonl.gz'],
        columns = {line: 'varchar'}, header = false, auto_detect = false,
        delim = chr(1), quote = '', escape = '', filename = true
    )
    where json_valid(line)
),

typed as (
    select
        nullif(trim(user_id), '') as user_id,
        nullif(trim(product_id), '') as product_id,
        case lower(trim(event_type))
            when 'view' then 'view'
            when 'click' then 'click'
            when 'add-to-cart' then 'add_to_cart'
        end as event_type,
        try_cast(timestamp as timestamp) as event_at,
        device,
        session_id,
        case when event_at is null then timestamp end as unreadable_event_at,
        case when lower(trim(lines.event_type)) not in ('view', 'click', 'add-to-cart') then lower(trim(lines.event_type)) end
            as unreadable_event_type,
        app_version,
        filename,
    from lines
),

deduplicated as (
    select * exclude (filename), min(filename) as filename
    from typed
    group by all
)

select
    deduplicated.*,
    cast(event_at as date) as event_date,
    nullif(concat_ws(';',
        case when event_at is null then 'bad_timestamp' end,
        case when product_id is null then 'missing_product' end,
        case when user_id is null then 'missing_user' end,
        case when event_type is null then 'unknown_event_type' end,
        case when product_id is not null and product_id not in (select product_id from catalog where reasons is null)
            then 'unknown_product' end
    ), '') as reasons,
from deduplicated;

create view fct_events as
select user_id, product_id, event_type, event_at, event_date, device, session_id, filename as _file
from events
where reasons is null;

create view quarantine_events as
select * exclude (app_version, event_date, filename), filename as _file
from events
where reasons is not null;

create table purchases as
with lines as (
    select *
    from read_csv(
        getvariable('landing') || '/purchases/*.csv',
        all_varchar = true, union_by_name = true, ignore_errors = true, filename = true,
        -- Declared, because detecting the format of each file takes longer than reading it.
        header = true, delim = ',', quote = '"', escape = '"', new_line = '\n', sample_size = 1
    )
),

typed as (
    select
        nullif(trim(transaction_id), '') as transaction_id,
        nullif(trim(user_id), '') as user_id,
        nullif(trim(product_id), '') as product_id,
        try_cast(quantity as double) as quantity,
        try_cast(price as double) as price,
        try_cast(timestamp as timestamp) as purchased_at,
        case when try_cast(lines.quantity as double) is null then lines.quantity end as unreadable_quantity,
        case when try_cast(lines.price as double) is null then lines.price end as unreadable_price,
        case when try_cast(timestamp as timestamp) is null then timestamp end as unreadable_purchased_at,
        filename,
    from lines
),

deduplicated as (
    select * exclude (filename), min(filename) as filename
    from typed
    group by all
)

select
    deduplicated.*,
    nullif(concat_ws(';',
        case when price < 0 or unreadable_price is not null then 'bad_price' end,
        case when quantity = 0 or unreadable_quantity is not null then 'bad_quantity' end,
        case when purchased_at is null then 'bad_timestamp' end,
        case when product_id is null then 'missing_product' end,
        case when product_id is not null and product_id not in (select product_id from catalog where reasons is null)
            then 'unknown_product' end
    ), '') as reasons,
from deduplicated;

create view quarantine_purchases as
select * exclude (filename), filename as _file
from purchases
where reasons is not null;

create view fct_transactions as
select
    transaction_id,
    user_id,
    product_id,
    coalesce(quantity, 1) as quantity,
    price,
    coalesce(quantity, 1) * price as amount,
    purchased_at,
    cast(purchased_at as date) as purchase_date,
    coalesce(quantity < 0, false) as is_return,
    filename as _file,
from purchases
where reasons is null;

-- step: features

create table weights as
select * from read_csv(getvariable('weights'));

-- Actions of customers with their undecayed weight. A return cancels a share of the earlier purchases: its quantity
-- divided by theirs.
create view actions as
with counted as (
    select
        *,
        count(*) filter (not is_return) over earlier_purchases as purchases_before,
        sum(quantity) filter (not is_return) over earlier_purchases as pieces_before,
    from fct_transactions
    window earlier_purchases as (partition by user_id, product_id order by purchased_at)
),

all_actions as (
    select
        user_id, product_id, event_type as action_type, event_type as weight_event_type, event_at as action_at,
        event_date as action_date, 1.0 as share, null as quantity, null as price, device, session_id,
        null as transaction_id,
    from fct_events

    union all

    select
        user_id, product_id, if(is_return, 'return', 'purchase') as action_type, 'purchase' as weight_event_type,
        purchased_at as action_at, purchase_date as action_date,
        case
            when not is_return then 1.0
            when user_id is null or purchases_before = 0 then -1.0
            else -least(-quantity / pieces_before, 1) * purchases_before
        end as share,
        quantity, price, null as device, null as session_id, transaction_id,
    from counted
)

select all_actions.*, weights.weight * share as weight, weights.half_life_days
from all_actions
inner join weights on all_actions.weight_event_type = weights.event_type;

-- The cutoffs of the validation and test windows, each a tenth of the time span, and the cutoff now.
create table cutoffs as
with span as (
    select
        max(action_at) + interval 1 second as now_at,
        to_seconds(cast(date_diff('second', min(action_at), max(action_at)) * 0.1 as bigint)) as window_length,
    from actions
),

cutoff_times as (
    select
        date_trunc('day', now_at - window_length) as test_at,
        date_trunc('day', now_at - 2 * window_length) as validation_at,
        now_at,
    from span
)

select 'validation' as cutoff, validation_at as as_of, test_at as window_end_at from cutoff_times
union all
select 'test', test_at, now_at from cutoff_times
union all
select 'now', now_at, null from cutoff_times;

create table feat_user_product_interactions as
select
    cutoff,
    as_of,
    user_id,
    product_id,
    sum(weight * power(0.5, date_diff('second', action_at, as_of) / 86400 / half_life_days)) as strength,
    strength / count(*) as average_strength,
    count(*) as interaction_count,
    count(*) filter (action_type = 'view') as view_count,
    count(*) filter (action_type = 'click') as click_count,
    count(*) filter (action_type = 'add_to_cart') as add_to_cart_count,
    count(*) filter (action_type = 'remove_from_cart') as remove_from_cart_count,
    count(*) filter (action_type = 'purchase') as purchase_count,
    count(*) filter (action_type = 'return') as return_count,
    coalesce(sum(quantity), 0) as purchased_quantity,
    min(action_at) as first_interaction_at,
    max(action_at) as last_interaction_at,
from actions
inner join cutoffs on action_at < as_of
where user_id is not null
group by cutoff, as_of, user_id, product_id;

create table user_days as
select
    user_id,
    action_date,
    count(*) as action_count,
    count(*) filter (action_type = 'view') as view_count,
    count(*) filter (action_type = 'click') as click_count,
    count(*) filter (action_type = 'add_to_cart') as add_to_cart_count,
    count(*) filter (action_type = 'remove_from_cart') as remove_from_cart_count,
    count(*) filter (action_type = 'purchase') as purchase_count,
    count(*) filter (action_type = 'return') as return_count,
    count(distinct session_id) as session_count,
    count(distinct transaction_id) filter (action_type = 'purchase') as order_count,
    sum(quantity * price) as spend,
    sum(quantity * price) filter (action_type = 'purchase') as purchase_spend,
    count(*) filter (device = 'mobile') as mobile_count,
    count(*) filter (device in ('mobile', 'web')) as known_device_count,
    count(*) filter (hour(action_at) between 6 and 17) as daytime_count,
    min(action_at) as first_action_at,
    max(action_at) as last_action_at,
from actions
where user_id is not null
group by user_id, action_date;

create table feat_user_activity as
with counted as (
    select
        cutoff,
        as_of,
        user_id,
        sum(action_count) as action_count,
        coalesce(sum(action_count) filter (action_date > as_of - interval 1 second - interval 7 day), 0)
            as action_count_7d,
        coalesce(sum(action_count) filter (action_date > as_of - interval 1 second - interval 28 day), 0)
            as action_count_28d,
        sum(view_count) as view_count,
        sum(click_count) as click_count,
        sum(add_to_cart_count) as add_to_cart_count,
        sum(remove_from_cart_count) as remove_from_cart_count,
        sum(purchase_count) as purchase_count,
        sum(return_count) as return_count,
        count(*) as active_days,
        sum(session_count) as session_count,
        sum(order_count) as order_count,
        coalesce(sum(spend), 0) as total_spend,
        coalesce(sum(purchase_spend), 0) as purchase_spend,
        sum(mobile_count) as mobile_count,
        sum(known_device_count) as known_device_count,
        sum(daytime_count) as daytime_count,
        coalesce(sum(action_count) filter (isodow(action_date) >= 6), 0) as weekend_count,
        date_diff('day', min(action_date), max(action_date)) as days_spanned,
        min(first_action_at) as first_action_at,
        max(last_action_at) as last_action_at,
    from user_days
    inner join cutoffs on action_date < as_of
    group by cutoff, as_of, user_id
)

select
    * exclude (purchase_spend, mobile_count, known_device_count, daytime_count, weekend_count, days_spanned),
    purchase_spend / nullif(order_count, 0) as average_order_value,
    click_count / nullif(view_count, 0) as click_rate,
    add_to_cart_count / nullif(view_count, 0) as add_to_cart_rate,
    purchase_count / nullif(view_count, 0) as purchase_rate,
    purchase_count / nullif(add_to_cart_count, 0) as cart_purchase_rate,
    mobile_count / nullif(known_device_count, 0) as mobile_share,
    weekend_count / action_count as weekend_share,
    daytime_count / action_count as daytime_share,
    days_spanned / nullif(active_days - 1, 0) as mean_days_between_active_days,
    date_diff('second', last_action_at, as_of) / 86400 as recency_days,
    date_diff('second', first_action_at, as_of) / 86400 as tenure_days,
from counted;

create table feat_product_popularity as
with product_days as (
    select
        product_id,
        action_date,
        count(*) filter (action_type not in ('purchase', 'return')) as events,
        count(*) filter (action_type = 'view') as views,
        count(*) filter (action_type = 'purchase') as purchases,
        count(*) filter (action_type = 'return') as returns,
        sum(quantity * price) as revenue,
        sum(weight * power(0.5, date_diff('second', action_at, action_date + 1) / 86400 / 28)) as popularity_at_end,
        min(action_at) as first_action_at,
        max(action_at) as last_action_at,
    from actions
    group by product_id, action_date
),

counted as (
    select
        cutoff,
        as_of,
        product_id,
        coalesce(sum(events) filter (action_date > as_of - interval 1 second - interval 1 day), 0) as event_count_1d,
        coalesce(sum(events) filter (action_date > as_of - interval 1 second - interval 7 day), 0) as event_count_7d,
        coalesce(sum(events) filter (action_date > as_of - interval 1 second - interval 28 day), 0) as event_count_28d,
        coalesce(sum(purchases) filter (action_date > as_of - interval 1 second - interval 1 day), 0)
            as purchase_count_1d,
        coalesce(sum(purchases) filter (action_date > as_of - interval 1 second - interval 7 day), 0)
            as purchase_count_7d,
        coalesce(sum(purchases) filter (action_date > as_of - interval 1 second - interval 28 day), 0)
            as purchase_count_28d,
        sum(events) as event_count,
        sum(purchases) as purchase_count,
        sum(returns) as return_count,
        sum(views) as view_count,
        coalesce(sum(revenue), 0) as revenue,
        sum(popularity_at_end * power(0.5, date_diff('second', action_date + 1, as_of) / 86400 / 28))
            as recent_popularity,
        min(first_action_at) as first_action_at,
        max(last_action_at) as last_action_at,
    from product_days
    inner join cutoffs on action_date < as_of
    group by cutoff, as_of, product_id
),

users as (
    select
        cutoff,
        product_id,
        count(*) filter (cast(last_interaction_at as date) > as_of - interval 1 second - interval 1 day) as user_count_1d,
        count(*) filter (cast(last_interaction_at as date) > as_of - interval 1 second - interval 7 day) as user_count_7d,
        count(*) filter (cast(last_interaction_at as date) > as_of - interval 1 second - interval 28 day)
            as user_count_28d,
        count(*) as user_count,
        count(*) filter (purchase_count > 0) as buyer_count,
    from feat_user_product_interactions
    group by cutoff, product_id
)

select
    counted.* exclude (view_count),
    coalesce(user_count_1d, 0) as user_count_1d,
    coalesce(user_count_7d, 0) as user_count_7d,
    coalesce(user_count_28d, 0) as user_count_28d,
    coalesce(user_count, 0) as user_count,
    coalesce(buyer_count, 0) as buyer_count,
    users.buyer_count / users.user_count as conversion_rate,
    purchase_count / nullif(view_count, 0) as purchases_per_view,
    event_count_7d * 4 / nullif(event_count_28d, 0) as event_trend,
    purchase_count_7d * 4 / nullif(purchase_count_28d, 0) as purchase_trend,
from counted
left join users using (cutoff, product_id);

create table feat_product_pairs as
with lines as (
    select cutoff, as_of, transaction_id, product_id, max(purchased_at) as bought_at
    from fct_transactions
    inner join cutoffs on purchased_at < as_of
    where not is_return
    group by all
),

-- Orders with more than 100 products, such as those of wholesalers, give no useful pairs.
baskets as (
    select * from lines
    qualify count(*) over (partition by cutoff, transaction_id) between 2 and 100
),

order_counts as (
    select cutoff, product_id, count(*) as orders from lines group by all
),

shop as (
    select cutoff, count(distinct transaction_id) as orders from lines group by all
),

joint_orders as (
    select
        left_product.cutoff,
        left_product.as_of,
        left_product.product_id,
        right_product.product_id as other_product_id,
        count(*) as joint_order_count,
        max(left_product.bought_at) as last_joint_order_at,
    from baskets as left_product
    inner join baskets as right_product
        on left_product.cutoff = right_product.cutoff
        and left_product.transaction_id = right_product.transaction_id
        and left_product.product_id != right_product.product_id
    group by all
    having count(*) >= 2
)

select
    joint_orders.*,
    product_orders.orders as order_count,
    other_product_orders.orders as other_order_count,
    joint_order_count / product_orders.orders as confidence,
    joint_order_count / product_orders.orders / (other_product_orders.orders / shop.orders) as lift,
from joint_orders
inner join order_counts as product_orders using (cutoff, product_id)
inner join order_counts as other_product_orders
    on joint_orders.cutoff = other_product_orders.cutoff
    and joint_orders.other_product_id = other_product_orders.product_id
inner join shop on joint_orders.cutoff = shop.cutoff;

-- step: products and customers

create table dim_product_history as
with product_versions as (
    select * exclude (price_text, filename, line, reasons)
    from catalog
    where reasons is null
    qualify row(product_name, category, brand, price, popularity_score, is_available) is distinct from
        lag(row(product_name, category, brand, price, popularity_score, is_available)) over (
            partition by product_id order by effective_at, filename, line
        )
)

select
    * exclude (effective_at),
    row_number() over by_time as version,
    effective_at as valid_from,
    coalesce(lead(effective_at) over by_time, timestamp '9999-12-31') as valid_to,
    lead(effective_at) over by_time is null as is_current,
from product_versions
window by_time as (partition by product_id order by effective_at);

create table dim_products as
with first_actions as (
    select product_id, min(first_action_at) as first_action_at from feat_product_popularity group by product_id
),

version_dates as (
    select product_id, min(valid_from) as first_valid_from, max(valid_from) as last_updated_at
    from dim_product_history
    group by product_id
)

select
    history.* exclude (version, valid_from, valid_to, is_current),
    least(first_valid_from, first_action_at) as first_seen_at,
    last_updated_at,
from dim_product_history as history
inner join version_dates using (product_id)
left join first_actions using (product_id)
where is_current;

create table ml_product_features as
select
    cutoffs.cutoff,
    cutoffs.as_of,
    products.product_id,
    coalesce(history.product_name, products.product_id) as product_name,
    history.category,
    history.brand,
    history.price,
    cast(coalesce(popularity.user_count, 0) as double) as popularity,
    cast(coalesce(popularity.user_count_28d, 0) as double) as active_users_28d,
    coalesce(popularity.recent_popularity, 0) as recent_popularity,
    coalesce(history.is_available, true) as is_available,
from dim_products as products
inner join cutoffs on products.first_seen_at < cutoffs.as_of or cutoffs.cutoff = 'now'
asof left join dim_product_history as history
    on products.product_id = history.product_id and cutoffs.as_of > history.valid_from
left join feat_product_popularity as popularity
    on cutoffs.cutoff = popularity.cutoff and products.product_id = popularity.product_id;

create view feat_user_category_affinity as
select
    cutoff,
    interactions.as_of,
    user_id,
    category,
    sum(interactions.strength) as strength,
    sum(interaction_count) as interaction_count,
    sum(purchase_count) as purchase_count,
    count(*) as product_count,
    max(last_interaction_at) as last_interaction_at,
    case when sum(strength) > 0 then
        sum(strength) / sum(case when sum(strength) > 0 then sum(strength) end) over (partition by cutoff, user_id)
    end as affinity,
from feat_user_product_interactions as interactions
inner join ml_product_features using (cutoff, product_id)
group by cutoff, interactions.as_of, user_id, category;

create view feat_user_brand_affinity as
select
    cutoff,
    interactions.as_of,
    user_id,
    brand,
    sum(interactions.strength) as strength,
    sum(interaction_count) as interaction_count,
    sum(purchase_count) as purchase_count,
    count(*) as product_count,
    max(last_interaction_at) as last_interaction_at,
    case when sum(strength) > 0 then
        sum(strength) / sum(case when sum(strength) > 0 then sum(strength) end) over (partition by cutoff, user_id)
    end as affinity,
from feat_user_product_interactions as interactions
inner join ml_product_features using (cutoff, product_id)
group by cutoff, interactions.as_of, user_id, brand;

create table dim_users as
with active as (
    select
        user_id,
        min(first_action_at) as first_seen_at,
        max(last_action_at) as last_seen_at,
        sum(view_count + click_count + add_to_cart_count + remove_from_cart_count) as event_count,
        sum(purchase_count) as purchase_count,
        sum(return_count) as return_count,
        coalesce(sum(spend), 0) as total_spend,
        sum(mobile_count) as mobile_count,
        sum(known_device_count) - sum(mobile_count) as web_count,
    from user_days
    group by user_id
),

categories as (
    select user_id, arg_max(category, strength) as favourite_category
    from feat_user_category_affinity
    where cutoff = 'now' and strength > 0
    group by user_id
),

brands as (
    select user_id, arg_max(brand, strength) as favourite_brand
    from feat_user_brand_affinity
    where cutoff = 'now' and strength > 0
    group by user_id
)

select
    active.* exclude (mobile_count, web_count),
    favourite_category,
    favourite_brand,
    case
        when mobile_count >= web_count and mobile_count > 0 then 'mobile'
        when web_count > 0 then 'web'
        else 'unknown'
    end as main_device,
from active
left join categories using (user_id)
left join brands using (user_id);

-- New customer-product pairs in each window, for products that existed at the cutoff.
create table ml_evaluation_pairs as
with window_actions as (
    select cutoff, user_id, product_id
    from actions
    inner join cutoffs on action_at >= as_of and action_at < window_end_at
    where user_id is not null
    group by all
    having sum(weight) > 1e-6
),

known_users as (
    select distinct cutoff, user_id from feat_user_product_interactions where strength > 0
)

-- The benchmark's shop has no repeat purchases.
select window_actions.*, known_users.user_id is not null as is_known_user, false as is_repeat
from window_actions
semi join ml_product_features as features
    on window_actions.cutoff = features.cutoff and window_actions.product_id = features.product_id
anti join feat_user_product_interactions as interactions
    on window_actions.cutoff = interactions.cutoff
    and window_actions.user_id = interactions.user_id
    and window_actions.product_id = interactions.product_id
left join known_users on window_actions.cutoff = known_users.cutoff and window_actions.user_id = known_users.user_id;
