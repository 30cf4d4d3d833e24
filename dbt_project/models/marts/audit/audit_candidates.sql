{{ config(materialized='view') }}

with candidates as (

    select candidates.*
    from {{ ref('stg_ml__candidates') }} as candidates
    inner join {{ ref('stg_ml__model_runs') }} as runs on candidates.run_id = runs.run_id
    inner join {{ ref('dim_users') }} as users on candidates.user_id = users.user_id
    where runs.is_serving

),

-- Pins and candidates that the rules allow, with their rank within the category before the brand caps.
allowed_candidates as (

    select
        user_id,
        product_id,
        list_order,
        category_cap,
        row_number() over (partition by user_id, category order by list_order) as category_rank
    from {{ ref('int_recommendation_candidates') }}

),

-- The last row of each list that pins and candidates fill.
full_lists as (

    select user_id, list_order as last_list_order
    from {{ ref('int_recommendations_capped') }}
    where capped_rank = {{ var('top_n') }}

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
        when allowed_candidates.list_order > full_lists.last_list_order then 'list full'
        when allowed_candidates.category_rank > allowed_candidates.category_cap then 'category cap reached'
        else 'brand cap reached'
    end as outcome
from candidates
inner join {{ ref('rec_product_rules') }} as rules on candidates.product_id = rules.product_id
left join allowed_candidates
    on candidates.user_id = allowed_candidates.user_id
    and candidates.product_id = allowed_candidates.product_id
left join full_lists on candidates.user_id = full_lists.user_id
left join {{ ref('int_recommendations_ranked') }} as recommendations
    on candidates.user_id = recommendations.user_id
    and candidates.product_id = recommendations.product_id
