with recursive users as (

    select user_id from {{ ref('dim_users') }}
    union all
    select {{ stranger() }} as user_id

),

picked as (

    select * from {{ ref('int_offers_picked') }}

),

popular_products as (

    select * from {{ ref('int_popular_products_ranked') }}

),

withheld as (

    select user_id, product_id from {{ ref('int_products_withheld') }}

),

picked_counts as (

    select user_id, count(*) as picked_count from picked
    group by user_id

),

withheld_counts as (

    select user_id, count(*) as withheld_count from withheld
    group by user_id

),

-- A list that pins and candidates leave short is filled up from what is popular. Of the products that the caps let through
-- whatever the list, a withheld one is passed over, and a picked one may crowd out two, of its category and of its brand,
-- but fills a place itself. So nobody needs to look more than so much deeper than a list is long, nor at a product that at
-- least so many crowd.
short_lists as (

    select
        users.user_id,
        coalesce(withheld_counts.withheld_count, 0) + coalesce(picked_counts.picked_count, 0) as passed_over
    from users
    left join picked_counts on users.user_id = picked_counts.user_id
    left join withheld_counts on users.user_id = withheld_counts.user_id
    where coalesce(picked_counts.picked_count, 0) < {{ var('top_n') }}

),

-- Nor at one that has no room from the start.
full_categories as (

    select user_id, category from picked
    where category_cap is not null
    group by user_id, category
    having count(*) >= min(category_cap)

),

full_brands as (

    select user_id, brand from picked
    where brand_cap is not null
    group by user_id, brand
    having count(*) >= min(brand_cap)

),

fillers as (

    select
        short_lists.user_id,
        popular_products.product_id,
        popular_products.rank,
        popular_products.category,
        popular_products.brand,
        popular_products.category_cap,
        popular_products.brand_cap
    from short_lists
    inner join popular_products
        on {{ var('top_n') }} + short_lists.passed_over >= popular_products.depth
        and short_lists.passed_over > popular_products.crowding
    left join withheld
        on short_lists.user_id = withheld.user_id
        and popular_products.product_id = withheld.product_id
    left join picked
        on short_lists.user_id = picked.user_id
        and popular_products.product_id = picked.product_id
    left join full_categories
        on short_lists.user_id = full_categories.user_id
        and popular_products.category = full_categories.category
    left join full_brands
        on short_lists.user_id = full_brands.user_id
        and popular_products.brand = full_brands.brand
    where
        withheld.product_id is null
        and picked.product_id is null
        and full_categories.category is null
        and full_brands.brand is null

),

-- The caps left what was picked, and leave it again: it comes first.
filled_up as (

    select
        picked.user_id,
        picked.pick_number as place,
        picked.product_id,
        picked.category,
        picked.brand,
        picked.category_cap,
        picked.brand_cap,
        picked.pinned_position,
        picked.score,
        picked.reason_product_id
    from picked
    inner join short_lists on picked.user_id = short_lists.user_id

    union all

    select
        user_id,
        {{ var('top_n') }} + rank as place,
        product_id,
        category,
        brand,
        category_cap,
        brand_cap,
        cast(null as {{ dbt.type_int() }}) as pinned_position,
        cast(null as {{ type_double() }}) as score,
        cast(null as {{ dbt.type_string() }}) as reason_product_id
    from fillers

),

{{ kept_by_caps('filled_up') }},

filled as (

    select
        user_id,
        row_number() over (partition by user_id order by place) as pick_number,
        product_id,
        pinned_position,
        score,
        reason_product_id
    from kept

),

offers as (

    select
        picked.user_id,
        picked.pick_number,
        picked.product_id,
        picked.pinned_position,
        picked.score,
        picked.reason_product_id
    from picked
    left join short_lists on picked.user_id = short_lists.user_id
    where short_lists.user_id is null

    union all

    select
        user_id,
        pick_number,
        product_id,
        pinned_position,
        score,
        reason_product_id
    from filled
    where pick_number <= {{ var('top_n') }}

),

lists_with_pins as (

    select distinct user_id from offers
    where pinned_position is not null

),

-- In a list with pins: the how-manieth of the pinned, or of the others.
numbered as (

    select
        offers.*,
        offers.pinned_position is not null as is_pinned,
        row_number() over (
            partition by offers.user_id, offers.pinned_position is not null
            order by offers.pick_number
        ) as number
    from offers
    inner join lists_with_pins on offers.user_id = lists_with_pins.user_id

),

-- The third pin at position 5 has two pins and two others before it; one whose position is taken already comes right after.
spaced as (

    select
        *,
        case
            when is_pinned then max(pinned_position - number) over (
                partition by user_id, is_pinned
                order by number
                rows between unbounded preceding and current row
            )
            else number
        end as others_up_to_here
    from numbered

),

placed as (

    select
        user_id,
        row_number() over (partition by user_id order by others_up_to_here, is_pinned, number) as rank,
        product_id,
        pinned_position,
        score,
        reason_product_id
    from spaced

    union all

    select
        offers.user_id,
        offers.pick_number as rank,
        offers.product_id,
        offers.pinned_position,
        offers.score,
        offers.reason_product_id
    from offers
    left join lists_with_pins on offers.user_id = lists_with_pins.user_id
    where lists_with_pins.user_id is null

),

final as (

    select
        placed.user_id,
        cast(placed.rank as integer) as rank,
        placed.product_id,
        coalesce(placed.score, popular_products.score, 0) as score,
        case
            when placed.pinned_position is not null then 'pinned'
            when placed.score is not null then 'model'
            else 'popularity'
        end as source,
        placed.reason_product_id
    from placed
    left join popular_products on placed.product_id = popular_products.product_id

)

select * from final
