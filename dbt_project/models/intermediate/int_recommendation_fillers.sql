{{ config(materialized='view') }}

with users as (

    select user_id from {{ ref('dim_users') }}
    union all
    select {{ anonymous_user_id() }} as user_id

),

capped_lists as (

    select user_id, product_id, capped_rank from {{ ref('int_recommendations_capped') }}

),

short_lists as (

    select users.user_id
    from users
    left join capped_lists
        on users.user_id = capped_lists.user_id
        and capped_lists.capped_rank = {{ var('top_n') }}
    where capped_lists.user_id is null

),

-- Products that cannot fill up a list: they are in it already, or the user bought them.
skipped_products as (

    select user_id, product_id from capped_lists
    union all
    select user_id, product_id from {{ ref('int_user_product_exclusions') }}

),

-- A bought product keeps one filler product out of a list. A listed product keeps at most two out, one of its category and
-- one of its brand, but fills one place itself.
list_limits as (

    select
        short_lists.user_id,
        {{ var('top_n') }} + count(skipped_products.product_id) as max_filler_rank
    from short_lists
    left join skipped_products on short_lists.user_id = skipped_products.user_id
    group by short_lists.user_id

)

select
    list_limits.user_id,
    filler_products.rank as filler_rank,
    filler_products.product_id,
    filler_products.category,
    filler_products.brand,
    filler_products.category_cap,
    filler_products.brand_cap
from list_limits
inner join {{ ref('int_filler_products') }} as filler_products
    on list_limits.max_filler_rank >= filler_products.rank
left join skipped_products
    on list_limits.user_id = skipped_products.user_id
    and filler_products.product_id = skipped_products.product_id
where skipped_products.product_id is null
