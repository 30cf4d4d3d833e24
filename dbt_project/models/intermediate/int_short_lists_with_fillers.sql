{{ config(materialized='view') }}

with users as (

    select user_id from {{ ref('dim_users') }}
    union all
    select {{ anonymous_user_id() }} as user_id

),

full_lists as (

    select user_id from {{ ref('int_recommendations_capped') }}
    where capped_rank = {{ var('top_n') }}

),

short_lists as (

    select users.user_id
    from users
    left join full_lists on users.user_id = full_lists.user_id
    where full_lists.user_id is null

),

short_list_candidates as (

    select candidates.*
    from {{ ref('int_recommendation_candidates') }} as candidates
    inner join short_lists on candidates.user_id = short_lists.user_id

),

-- Products that cannot fill up a list: they are candidates already, or the user bought them.
skipped_products as (

    select user_id, product_id, list_order from short_list_candidates
    union all
    select user_id, product_id, null as list_order from {{ ref('int_user_product_exclusions') }}

),

-- A bought product keeps one filler product out of a list. A candidate keeps at most two out: one of its category and one
-- of its brand.
list_limits as (

    select
        short_lists.user_id,
        coalesce(max(skipped_products.list_order), 0) as last_list_order,
        {{ var('top_n') }} + count(skipped_products.product_id) + count(skipped_products.list_order) as max_filler_rank
    from short_lists
    left join skipped_products on short_lists.user_id = skipped_products.user_id
    group by short_lists.user_id

),

final as (

    select * from short_list_candidates

    union all

    select
        list_limits.user_id,
        list_limits.last_list_order + filler_products.rank as list_order,
        filler_products.product_id,
        filler_products.category,
        filler_products.brand,
        filler_products.category_cap,
        filler_products.brand_cap,
        null as pinned_position,
        null as score,
        null as reason_product_id
    from list_limits
    inner join {{ ref('int_filler_products') }} as filler_products
        on list_limits.max_filler_rank >= filler_products.rank
    left join skipped_products
        on list_limits.user_id = skipped_products.user_id
        and filler_products.product_id = skipped_products.product_id
    where skipped_products.product_id is null

)

select * from final
