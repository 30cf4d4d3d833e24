{{ config(materialized='view') }}

with capped_lists as (

    select * from {{ ref('int_recommendations_capped') }}

),

fillers as (

    select * from {{ ref('int_recommendation_fillers') }}

),

lists_to_fill as (

    select distinct user_id from fillers

),

-- The products of the list come first, so that the caps drop none of them.
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
    inner join lists_to_fill on capped_lists.user_id = lists_to_fill.user_id

    union all

    select
        user_id,
        {{ var('top_n') }} + filler_rank as list_order,
        product_id,
        category,
        brand,
        category_cap,
        brand_cap,
        null as pinned_position,
        null as score,
        null as reason_product_id
    from fillers

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

)

select
    capped_lists.user_id,
    capped_lists.capped_rank,
    capped_lists.product_id,
    capped_lists.pinned_position,
    capped_lists.score,
    capped_lists.reason_product_id
from capped_lists
left join lists_to_fill on capped_lists.user_id = lists_to_fill.user_id
where lists_to_fill.user_id is null

union all

select * from filled_lists
where capped_rank <= {{ var('top_n') }}
