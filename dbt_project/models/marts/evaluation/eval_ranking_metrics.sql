with runs as (

    select run_id, trained_at from {{ source('ml', 'model_runs') }}

),

relevant_pairs as (

    select run_id, as_of_name, user_id, product_id from {{ source('ml', 'evaluation_pairs') }}

),

candidates as (

    select * from {{ source('ml', 'evaluation_candidates') }}

),

cut_offs as (

    select 5 as k
    union all
    select 10 as k
    union all
    select 20 as k

),

-- The best discounted gain that a list with this many hits can reach.
ideal_gains as (

    select
        generated_number as hits,
        sum({{ discount('generated_number') }}) over (order by generated_number) as ideal_gain
    from ({{ dbt.generate_series(20) }}) as numbers

),

users as (

    select
        run_id,
        as_of_name,
        user_id,
        count(*) as relevant_count
    from relevant_pairs
    group by run_id, as_of_name, user_id

),

hits as (

    select
        candidates.run_id,
        candidates.as_of_name,
        candidates.method,
        candidates.user_id,
        candidates.rank
    from candidates
    inner join relevant_pairs
        on candidates.run_id = relevant_pairs.run_id
        and candidates.as_of_name = relevant_pairs.as_of_name
        and candidates.user_id = relevant_pairs.user_id
        and candidates.product_id = relevant_pairs.product_id

),

gains as (

    select
        hits.run_id,
        hits.as_of_name,
        hits.method,
        hits.user_id,
        cut_offs.k,
        count(*) as hit_count,
        {{ exact_sum(discount('hits.rank')) }} as gain
    from hits
    inner join cut_offs on hits.rank <= cut_offs.k
    group by hits.run_id, hits.as_of_name, hits.method, hits.user_id, cut_offs.k

),

methods as (

    select distinct run_id, as_of_name, method from candidates

),

-- Every customer with something relevant counts, also when no list or no hit was there: as zero.
per_user as (

    select
        methods.run_id,
        methods.as_of_name,
        methods.method,
        cut_offs.k,
        coalesce(gains.hit_count, 0) * 1.0 / cut_offs.k as precision,
        coalesce(gains.hit_count, 0) * 1.0 / users.relevant_count as recall,
        coalesce(gains.gain, 0) / ideal_gains.ideal_gain as ndcg
    from methods
    inner join users on methods.run_id = users.run_id and methods.as_of_name = users.as_of_name
    cross join cut_offs
    inner join ideal_gains
        on ideal_gains.hits = case when users.relevant_count < cut_offs.k then users.relevant_count else cut_offs.k end
    left join gains
        on methods.run_id = gains.run_id
        and methods.as_of_name = gains.as_of_name
        and methods.method = gains.method
        and users.user_id = gains.user_id
        and cut_offs.k = gains.k

),

final as (

    select
        per_user.run_id,
        runs.trained_at,
        per_user.as_of_name,
        per_user.method,
        per_user.k,
        count(*) as users,
        {{ exact_sum('per_user.precision') }} / count(*) as precision,
        {{ exact_sum('per_user.recall') }} / count(*) as recall,
        {{ exact_sum('per_user.ndcg') }} / count(*) as ndcg
    from per_user
    inner join runs on per_user.run_id = runs.run_id
    group by per_user.run_id, runs.trained_at, per_user.as_of_name, per_user.method, per_user.k

)

select * from final
