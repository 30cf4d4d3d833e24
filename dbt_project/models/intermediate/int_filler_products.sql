-- The caps apply to one list of all popular products for each rule profile, that of a user without candidates and purchases.
-- The rule profile stands in the place of the user id, because apply_caps counts per user.
with popular_products as (

    select
        rules.rule_profile as user_id,
        popular_products.rank / rules.boost_factor as list_order,
        popular_products.rank as candidate_rank,
        rules.product_id,
        rules.category,
        rules.brand,
        rules.category_cap,
        rules.brand_cap,
        rules.promoted_every
    from {{ ref('int_popular_products_ranked') }} as popular_products
    inner join {{ ref('int_product_rules') }} as rules on popular_products.product_id = rules.product_id
    where rules.is_recommendable

),

{{ apply_caps('popular_products') }},

-- apply_caps ends in within_caps.
ranked as (

    select
        user_id as rule_profile,
        row_number() over (partition by user_id order by list_order, candidate_rank desc) as rank,
        product_id,
        category,
        brand,
        category_cap,
        brand_cap,
        promoted_every
    from within_caps

)

select * from ranked
where rank <= {{ var('filler_products') }}
