with recursive users as (

    select user_id from {{ ref('dim_users') }}
    union all
    select {{ anonymous_user_id() }} as user_id

),

capped_lists as (

    select * from {{ ref('int_recommendations_capped') }}

),

popular_products as (

    select * from {{ ref('int_popular_products_ranked') }}

),

exclusions as (

    select user_id, product_id from {{ ref('int_user_product_exclusions') }}

),

capped_counts as (

    select user_id, count(*) as capped_count from capped_lists
    group by user_id

),

exclusion_counts as (

    select user_id, count(*) as exclusion_count from exclusions
    group by user_id

),

-- Users whose pins and candidates fill fewer than top_n places. Popular products fill the other places.
-- skip_count is the number of the user's exclusions and listed products. It limits the popular products to compare with
-- the list, because a list skips few of the popular products that the caps allow. An excluded product is skipped. A
-- listed product uses at most one place of a category cap and one of a brand cap, so that the list skips at most two
-- products for it. It also fills one of the top_n places. Therefore a filler has a within_caps_count of at most
-- top_n + skip_count. For one cap, the list skips at most skip_count products. Therefore a filler has a cap_excess below
-- skip_count.
short_lists as (

    select
        users.user_id,
        coalesce(exclusion_counts.exclusion_count, 0) + coalesce(capped_counts.capped_count, 0) as skip_count
    from users
    left join capped_counts on users.user_id = capped_counts.user_id
    left join exclusion_counts on users.user_id = exclusion_counts.user_id
    where coalesce(capped_counts.capped_count, 0) < {{ var('top_n') }}

),

-- Categories whose cap is reached before popular products are added.
full_categories as (

    select user_id, category from capped_lists
    where category_cap is not null
    group by user_id, category
    having count(*) >= min(category_cap)

),

full_brands as (

    select user_id, brand from capped_lists
    where brand_cap is not null
    group by user_id, brand
    having count(*) >= min(brand_cap)

),

popular_fillers as (

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
        on {{ var('top_n') }} + short_lists.skip_count >= popular_products.within_caps_count
        and short_lists.skip_count > popular_products.cap_excess
    left join exclusions
        on short_lists.user_id = exclusions.user_id
        and popular_products.product_id = exclusions.product_id
    left join capped_lists
        on short_lists.user_id = capped_lists.user_id
        and popular_products.product_id = capped_lists.product_id
    left join full_categories
        on short_lists.user_id = full_categories.user_id
        and popular_products.category = full_categories.category
    left join full_brands
        on short_lists.user_id = full_brands.user_id
        and popular_products.brand = full_brands.brand
    where
        exclusions.product_id is null
        and capped_lists.product_id is null
        and full_categories.category is null
        and full_brands.brand is null

),

-- Products from capped_lists come first, so that apply_caps drops none of them.
lists_with_fillers as (

    select
        capped_lists.user_id,
        capped_lists.capped_rank as list_order,
        capped_lists.product_id,
        capped_lists.category,
        capped_lists.brand,
        capped_lists.category_cap,
        capped_lists.brand_cap,
        capped_lists.pinned_position,
        capped_lists.score,
        capped_lists.reason_product_id
    from capped_lists
    inner join short_lists on capped_lists.user_id = short_lists.user_id

    union all

    select
        user_id,
        {{ var('top_n') }} + rank as list_order,
        product_id,
        category,
        brand,
        category_cap,
        brand_cap,
        cast(null as {{ dbt.type_int() }}) as pinned_position,
        cast(null as {{ type_double() }}) as score,
        cast(null as {{ dbt.type_string() }}) as reason_product_id
    from popular_fillers

),

{{ apply_caps('lists_with_fillers') }},

filled_lists as (

    select
        user_id,
        row_number() over (partition by user_id order by list_order) as capped_rank,
        product_id,
        pinned_position,
        score,
        reason_product_id
    from within_caps

),

recommendations as (

    select
        capped_lists.user_id,
        capped_lists.capped_rank,
        capped_lists.product_id,
        capped_lists.pinned_position,
        capped_lists.score,
        capped_lists.reason_product_id
    from capped_lists
    left join short_lists on capped_lists.user_id = short_lists.user_id
    where short_lists.user_id is null

    union all

    select
        user_id,
        capped_rank,
        product_id,
        pinned_position,
        score,
        reason_product_id
    from filled_lists
    where capped_rank <= {{ var('top_n') }}

),

lists_with_pins as (

    select distinct user_id from recommendations
    where pinned_position is not null

),

-- group_rank is the rank among the pinned products of the list for a pin, and among the other products for another product.
pin_group_ranks as (

    select
        recommendations.*,
        recommendations.pinned_position is not null as is_pinned,
        row_number() over (
            partition by recommendations.user_id, recommendations.pinned_position is not null
            order by recommendations.capped_rank
        ) as group_rank
    from recommendations
    inner join lists_with_pins on recommendations.user_id = lists_with_pins.user_id

),

-- unpinned_count is the number of unpinned products down to the row; the rows are ordered by it. For example, a third pin at
-- position 5 has two pins and two unpinned products before it. If an earlier pin has the same position, the maximum over the
-- earlier pins puts the later pin directly after it.
pin_offsets as (

    select
        *,
        case
            when is_pinned
                then max(pinned_position - group_rank) over (
                        partition by user_id, is_pinned
                        order by group_rank
                        rows between unbounded preceding and current row
                    )
            else group_rank
        end as unpinned_count
    from pin_group_ranks

),

ranked as (

    select
        user_id,
        row_number() over (partition by user_id order by unpinned_count, is_pinned, group_rank) as rank,
        product_id,
        pinned_position,
        score,
        reason_product_id
    from pin_offsets

    union all

    select
        recommendations.user_id,
        recommendations.capped_rank as rank,
        recommendations.product_id,
        recommendations.pinned_position,
        recommendations.score,
        recommendations.reason_product_id
    from recommendations
    left join lists_with_pins on recommendations.user_id = lists_with_pins.user_id
    where lists_with_pins.user_id is null

),

final as (

    select
        ranked.user_id,
        cast(ranked.rank as integer) as rank,
        ranked.product_id,
        coalesce(ranked.score, popular_products.score, 0) as score,
        case
            when ranked.pinned_position is not null then 'pinned'
            when ranked.score is not null then 'model'
            else 'popularity'
        end as source,
        ranked.reason_product_id
    from ranked
    left join popular_products on ranked.product_id = popular_products.product_id

)

select * from final
