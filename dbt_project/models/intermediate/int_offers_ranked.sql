with serving_run as (

    select run_id from {{ source('ml', 'model_runs') }}
    where is_serving

),

candidates as (

    select candidates.*
    from {{ source('ml', 'candidates') }} as candidates
    inner join serving_run on candidates.run_id = serving_run.run_id

),

users as (

    select user_id from {{ ref('dim_users') }}

),

available_products as (

    select product_id from {{ ref('dim_products') }}
    where is_available

),

popular_products as (

    select product_id, rank, score from {{ ref('rec_popular_products') }}

),

-- Bought and kept: what went back may be offered again.
withheld as (

    select user_id, product_id from {{ ref('feat_user_product_interactions') }}
    where
        as_of_name = 'now'
        and purchased_quantity > 0
        and {{ 'true' if var('exclude_purchased') else 'false' }}

),

model_ranked as (

    select
        candidates.user_id,
        candidates.product_id,
        candidates.score,
        candidates.reason_product_id,
        row_number() over (partition by candidates.user_id order by candidates.rank) as rank
    from candidates
    inner join users on candidates.user_id = users.user_id
    inner join available_products on candidates.product_id = available_products.product_id
    left join withheld
        on candidates.user_id = withheld.user_id
        and candidates.product_id = withheld.product_id
    where withheld.product_id is null

),

model_picks as (

    select * from model_ranked
    where rank <= {{ var('top_n') }}

),

listed_counts as (

    select user_id, count(*) as listed_count from model_picks
    group by user_id

),

withheld_counts as (

    select user_id, count(*) as withheld_count from withheld
    group by user_id

),

-- A list that the model leaves short is filled from what is popular. At most the listed and the withheld products are
-- passed over, so nobody needs to look further than this down the popularity ranking.
short_lists as (

    select
        users.user_id,
        coalesce(listed_counts.listed_count, 0) as listed_count,
        {{ var('top_n') }} + coalesce(withheld_counts.withheld_count, 0) as lowest_rank
    from users
    left join listed_counts on users.user_id = listed_counts.user_id
    left join withheld_counts on users.user_id = withheld_counts.user_id
    where coalesce(listed_counts.listed_count, 0) < {{ var('top_n') }}

),

popular_ranked as (

    select
        short_lists.user_id,
        popular_products.rank as popularity_rank,
        short_lists.listed_count
        + row_number() over (partition by short_lists.user_id order by popular_products.rank) as rank
    from short_lists
    inner join popular_products on popular_products.rank <= short_lists.lowest_rank
    left join withheld
        on short_lists.user_id = withheld.user_id
        and popular_products.product_id = withheld.product_id
    left join model_picks
        on short_lists.user_id = model_picks.user_id
        and popular_products.product_id = model_picks.product_id
    where withheld.product_id is null and model_picks.product_id is null

),

final as (

    select
        user_id,
        cast(rank as integer) as rank,
        product_id,
        score,
        'model' as source,
        reason_product_id
    from model_picks

    union all

    select
        popular_ranked.user_id,
        cast(popular_ranked.rank as integer) as rank,
        popular_products.product_id,
        popular_products.score,
        'popularity' as source,
        cast(null as {{ dbt.type_string() }}) as reason_product_id
    from popular_ranked
    inner join popular_products on popular_ranked.popularity_rank = popular_products.rank
    where popular_ranked.rank <= {{ var('top_n') }}

)

select * from final
