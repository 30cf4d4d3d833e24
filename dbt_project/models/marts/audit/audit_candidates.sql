{{ config(materialized='view') }}

with serving_run as (

    select run_id from {{ ref('stg_ml__model_runs') }}
    where is_serving

),

candidates as (

    select candidates.*
    from {{ ref('stg_ml__candidates') }} as candidates
    inner join serving_run on candidates.run_id = serving_run.run_id

),

products as (

    select * from {{ ref('rec_product_rules') }}

),

exclusions as (

    select * from {{ ref('int_user_product_exclusions') }}

),

recommendations as (

    select * from {{ ref('int_recommendations_ranked') }}

),

-- A list that is short, or contains popular products, has room for every candidate within the caps.
list_capacities as (

    select
        user_id,
        count(*) < {{ var('top_n') }} or count(case when source = 'popularity' then 1 end) > 0 as has_room
    from recommendations
    group by user_id

),

recommended_category_counts as (

    select
        recommendations.user_id,
        products.category,
        count(*) as recommended_in_category
    from recommendations
    inner join products on recommendations.product_id = products.product_id
    group by recommendations.user_id, products.category

),

candidates_with_rules as (

    select
        candidates.user_id,
        candidates.rank as candidate_rank,
        candidates.product_id,
        candidates.score,
        recommendations.rank as recommended_rank,
        products.exclusion_reason,
        exclusions.product_id is not null as is_excluded,
        products.category_cap,
        recommended_category_counts.recommended_in_category,
        list_capacities.has_room,
        max(case when recommendations.source = 'model' then candidates.rank end) over (partition by candidates.user_id)
            as last_recommended_rank
    from candidates
    inner join list_capacities on candidates.user_id = list_capacities.user_id
    inner join products on candidates.product_id = products.product_id
    left join exclusions
        on candidates.user_id = exclusions.user_id
        and candidates.product_id = exclusions.product_id
    left join recommendations
        on candidates.user_id = recommendations.user_id
        and candidates.product_id = recommendations.product_id
    left join recommended_category_counts
        on candidates.user_id = recommended_category_counts.user_id
        and products.category = recommended_category_counts.category

),

final as (

    select
        user_id,
        candidate_rank,
        product_id,
        score,
        recommended_rank,
        case
            when recommended_rank is not null then 'recommended'
            when exclusion_reason is not null then exclusion_reason
            when is_excluded then 'already bought'
            when not has_room and coalesce(candidate_rank > last_recommended_rank, true) then 'list full'
            when recommended_in_category >= category_cap then 'category cap reached'
            else 'brand cap reached'
        end as outcome
    from candidates_with_rules

)

select * from final
