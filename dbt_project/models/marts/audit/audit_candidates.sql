{{ config(materialized='view') }}

-- Pins and candidates that the rules allow, with their rank within the category before the brand caps.
with allowed_candidates as (

    select
        user_id,
        product_id,
        list_order,
        category_cap,
        row_number() over (partition by user_id, category order by list_order, candidate_rank desc) as category_rank
    from {{ ref('int_recommendation_candidates') }}

),

-- The last product, apart from promoted ones, of each list that pins and candidates fill.
last_products as (

    select
        user_id,
        max(case when promoted_every is null then list_order end) as list_order
    from {{ ref('int_recommendations_capped') }}
    group by user_id
    having count(*) = {{ var('top_n') }}

)

select
    candidates.user_id,
    candidates.rank as candidate_rank,
    candidates.product_id,
    candidates.score,
    recommendations.rank as recommended_rank,
    case
        when recommendations.product_id is not null then 'recommended'
        when rules.exclusion_reason is not null then rules.exclusion_reason
        when allowed_candidates.product_id is null then 'already bought'
        when allowed_candidates.list_order > last_products.list_order then 'list full'
        when allowed_candidates.category_rank > allowed_candidates.category_cap then 'category cap reached'
        else 'brand cap reached'
    end as outcome,
    coalesce(recommendations.is_fatigued, false) as is_fatigued
from {{ ref('stg_ml__candidates') }} as candidates
inner join {{ ref('int_user_lists') }} as lists
    on candidates.user_id = lists.user_id
    and candidates.run_id = lists.run_id
inner join {{ ref('int_product_rules') }} as rules
    on candidates.product_id = rules.product_id
    and lists.rule_profile = rules.rule_profile
left join allowed_candidates
    on candidates.user_id = allowed_candidates.user_id
    and candidates.product_id = allowed_candidates.product_id
left join last_products on candidates.user_id = last_products.user_id
left join {{ ref('int_recommendations_ranked') }} as recommendations
    on candidates.user_id = recommendations.user_id
    and candidates.product_id = recommendations.product_id
