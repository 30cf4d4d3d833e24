{{ config(materialized='view') }}

with capped_lists as (

    select * from {{ ref('int_recommendations_capped') }}

),

short_lists as (

    select * from {{ ref('int_short_lists_with_fillers') }}

),

{{ apply_caps('short_lists') }},

filled_lists as (

    select
        user_id,
        row_number() over (partition by user_id order by list_order) as capped_rank,
        list_order,
        product_id,
        pinned_position,
        score,
        reason_product_id
    from within_caps

),

final as (

    select capped_lists.*
    from capped_lists
    inner join capped_lists as last_rows
        on capped_lists.user_id = last_rows.user_id
        and last_rows.capped_rank = {{ var('top_n') }}

    union all

    select * from filled_lists
    where capped_rank <= {{ var('top_n') }}

)

select * from final
