{{ config(materialized='view') }}

with users as (

    select user_id, rule_profile from {{ ref('int_user_lists') }}
    where has_list

),

capped_lists as (

    select * from {{ ref('int_recommendations_capped') }}

),

short_lists as (

    select users.user_id, users.rule_profile
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

-- The products of the list come first, so that the caps drop none of them.
lists_with_fillers as (

    select
        user_id,
        capped_rank as list_order,
        candidate_rank,
        product_id,
        category,
        brand,
        category_cap,
        brand_cap,
        pinned_position,
        promoted_every,
        score,
        reason_product_id
    from capped_lists

    union all

    select
        short_lists.user_id,
        {{ var('top_n') }} + filler_products.rank as list_order,
        null as candidate_rank,
        filler_products.product_id,
        filler_products.category,
        filler_products.brand,
        filler_products.category_cap,
        filler_products.brand_cap,
        null as pinned_position,
        filler_products.promoted_every,
        null as score,
        null as reason_product_id
    from short_lists
    inner join {{ ref('int_filler_products') }} as filler_products
        on short_lists.rule_profile = filler_products.rule_profile
    left join skipped_products
        on short_lists.user_id = skipped_products.user_id
        and filler_products.product_id = skipped_products.product_id
    where skipped_products.product_id is null

),

{{ apply_caps('lists_with_fillers') }},

-- apply_caps ends in within_caps.
{{ apply_promotions('within_caps') }}

select
    user_id,
    promoted_rank as filled_rank,
    product_id,
    pinned_position,
    is_promoted,
    score,
    reason_product_id
from promoted_lists
where promoted_rank <= {{ var('top_n') }}
