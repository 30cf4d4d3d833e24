{{ config(meta={'dagster': {'ref': {'name': 'eval_ranking_metrics'}}}) }}

-- Recall and NDCG over all customers of the test window, computed in SQL from the lists that the trainer keeps, equal the
-- trainer's.
with relevant_products as (

    select run_id, user_id, product_id from {{ ref('stg_ml__evaluation_pairs') }}
    where cutoff = 'test' and customer = 'known'

),

candidates as (

    select * from {{ ref('stg_ml__evaluation_candidates') }}
    where cutoff = 'test'

),

-- The trainer's metrics of the methods whose lists are kept.
trainer_metrics as (

    select metrics.run_id, metrics.method, metrics.k, metrics.users, metrics.recall, metrics.ndcg
    from {{ ref('eval_ranking_metrics') }} as metrics
    inner join (select distinct run_id, method from candidates) as lists
        on metrics.run_id = lists.run_id
        and metrics.method = lists.method
    where metrics.cutoff = 'test' and metrics.segment = 'all'

),

-- The highest discounted cumulative gain for each number of hits. The discount of a hit is 1 / log2(rank + 1).
ideal_gains as (

    select
        generated_number as hit_count,
        sum(ln(2.0) / ln(generated_number + 1.0)) over (order by generated_number) as ideal_gain
    from ({{ dbt.generate_series(1000) }}) as numbers

),

users as (

    select run_id, user_id, count(*) as relevant_count from relevant_products
    group by run_id, user_id

),

hits as (

    select candidates.run_id, candidates.method, candidates.user_id, candidates.rank
    from candidates
    inner join relevant_products
        on candidates.run_id = relevant_products.run_id
        and candidates.user_id = relevant_products.user_id
        and candidates.product_id = relevant_products.product_id

),

-- A user without a list or a hit has zeros.
user_metrics as (

    select
        trainer_metrics.run_id,
        trainer_metrics.method,
        trainer_metrics.k,
        users.user_id,
        count(hits.rank) * 1.0 / max(users.relevant_count) as recall,
        coalesce(sum(ln(2.0) / ln(hits.rank + 1.0)), 0) / max(ideal_gains.ideal_gain) as ndcg
    from trainer_metrics
    inner join users on trainer_metrics.run_id = users.run_id
    inner join ideal_gains on ideal_gains.hit_count = least(users.relevant_count, trainer_metrics.k)
    left join hits
        on trainer_metrics.run_id = hits.run_id
        and trainer_metrics.method = hits.method
        and users.user_id = hits.user_id
        and trainer_metrics.k >= hits.rank
    group by trainer_metrics.run_id, trainer_metrics.method, trainer_metrics.k, users.user_id

),

sql_metrics as (

    select run_id, method, k, count(*) as users, avg(recall) as recall, avg(ndcg) as ndcg
    from user_metrics
    group by run_id, method, k

)

select
    concat(
        'model ', trainer_metrics.run_id, ', ', trainer_metrics.method, ' at ', trainer_metrics.k, ': the trainer has ',
        'recall ', trainer_metrics.recall, ' and NDCG ', trainer_metrics.ndcg, ' of ', trainer_metrics.users,
        ' customers, SQL ', coalesce(cast(sql_metrics.recall as {{ dbt.type_string() }}), 'none'), ' and ',
        coalesce(cast(sql_metrics.ndcg as {{ dbt.type_string() }}), 'none'), ' of ', coalesce(sql_metrics.users, 0)
    ) as message
from trainer_metrics
left join sql_metrics
    on trainer_metrics.run_id = sql_metrics.run_id
    and trainer_metrics.method = sql_metrics.method
    and trainer_metrics.k = sql_metrics.k
where
    sql_metrics.users is null
    or sql_metrics.users != trainer_metrics.users
    or abs(sql_metrics.recall - trainer_metrics.recall) > 1e-6
    or abs(sql_metrics.ndcg - trainer_metrics.ndcg) > 1e-6
