-- The caps apply to one list of all popular products, that of a user without candidates and purchases. All rows have the same
-- user id, because apply_caps counts per user.
with popular_products as (

    select
        {{ anonymous_user_id() }} as user_id,
        rank as list_order,
        product_id,
        category,
        brand,
        category_cap,
        brand_cap
    from {{ ref('int_popular_products_ranked') }}

),

{{ apply_caps('popular_products') }},

-- apply_caps ends in within_caps.
ranked as (

    select
        row_number() over (order by list_order) as rank,
        product_id,
        category,
        brand,
        category_cap,
        brand_cap
    from within_caps

)

select * from ranked
where rank <= {{ var('filler_products') }}
