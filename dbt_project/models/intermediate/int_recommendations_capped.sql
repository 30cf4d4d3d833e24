with
{{ apply_caps(ref('int_recommendation_candidates')) }},

-- apply_caps ends in within_caps.
ranked as (

    select
        user_id,
        row_number() over (partition by user_id order by list_order) as capped_rank,
        list_order,
        product_id,
        category,
        brand,
        category_cap,
        brand_cap,
        pinned_position,
        score,
        reason_product_id
    from within_caps

)

select * from ranked
where capped_rank <= {{ var('top_n') }}
