{{ config(materialized='view') }}

with serving_run as (

    select run_id from {{ source('ml', 'model_runs') }}
    where is_serving

),

candidates as (

    select candidates.*
    from {{ source('ml', 'candidates') }} as candidates
    inner join serving_run on candidates.run_id = serving_run.run_id

),

products as (

    select * from {{ ref('rec_product_rules') }}

),

withheld as (

    select * from {{ ref('int_products_withheld') }}

),

offers as (

    select * from {{ ref('int_offers_ranked') }}

),

-- A list that is short, or had to be filled up, had room for every candidate that no cap refused.
lists as (

    select
        user_id,
        case
            when count(*) < {{ var('top_n') }} or max(case when source = 'popularity' then 1 else 0 end) = 1 then 1
            else 0
        end as has_room
    from offers
    group by user_id

),

offered_categories as (

    select
        offers.user_id,
        products.category,
        count(*) as offered_of_category
    from offers
    inner join products on offers.product_id = products.product_id
    group by offers.user_id, products.category

),

compared as (

    select
        candidates.user_id,
        candidates.rank as candidate_rank,
        candidates.product_id,
        candidates.score,
        offers.rank as offered_at,
        products.not_offered_because,
        withheld.product_id is not null as is_withheld,
        products.category_cap,
        offered_categories.offered_of_category,
        lists.has_room,
        max(case when offers.source = 'model' then candidates.rank end) over (partition by candidates.user_id)
            as last_offered_rank
    from candidates
    inner join lists on candidates.user_id = lists.user_id
    inner join products on candidates.product_id = products.product_id
    left join withheld
        on candidates.user_id = withheld.user_id
        and candidates.product_id = withheld.product_id
    left join offers
        on candidates.user_id = offers.user_id
        and candidates.product_id = offers.product_id
    left join offered_categories
        on candidates.user_id = offered_categories.user_id
        and products.category = offered_categories.category

),

final as (

    select
        user_id,
        candidate_rank,
        product_id,
        score,
        offered_at,
        case
            when offered_at is not null then 'offered'
            when not_offered_because is not null then not_offered_because
            when is_withheld then 'bought already'
            when has_room = 0 and coalesce(candidate_rank > last_offered_rank, true) then 'the list is full'
            when offered_of_category >= category_cap then 'enough of its category'
            else 'enough of its brand'
        end as verdict
    from compared

)

select * from final
