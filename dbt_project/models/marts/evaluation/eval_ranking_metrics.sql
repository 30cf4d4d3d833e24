{%- set is_user_segment = "segment in ('all', 'activity', 'customer')" -%}
-- noqa: disable=LT02
with runs as (

    select run_id, trained_at from {{ ref('stg_ml__model_runs') }}

),

pairs as (

    select * from {{ ref('stg_ml__evaluation_pairs') }}

),

candidates as (

    select * from {{ ref('stg_ml__evaluation_candidates') }}

),

products as (

    select
        run_id,
        cutoff,
        product_id,
        -ln(customer_share) / ln(2.0) as self_information,
        is_long_tail
    from {{ ref('stg_ml__evaluation_products') }}

),

-- The list lengths of the trainer's metrics for the same lists.
list_lengths as (

    select distinct
        metrics.run_id,
        metrics.k
    from {{ ref('stg_ml__ranking_metrics') }} as metrics
    inner join (select distinct run_id from candidates) as listed on metrics.run_id = listed.run_id

),

-- The highest discounted cumulative gain for each number of hits.
ideal_gains as (

    select
        generated_number as hits,
        sum({{ dcg_discount('generated_number') }}) over (order by generated_number) as ideal_gain
    from ({{ dbt.generate_series(1000) }}) as numbers

),

-- Relevant pairs, once for each of their segments. New customers are only in segment customer.
relevant_pairs as (

    select
        run_id,
        cutoff,
        user_id,
        product_id,
        'all' as segment,
        'all' as segment_value
    from pairs
    where customer = 'known'
    {%- for segment in ['activity', 'customer', 'product', 'category'] %}
    union all
    select
        run_id,
        cutoff,
        user_id,
        product_id,
        '{{ segment }}' as segment,
        {{ segment }} as segment_value
    from pairs
    {%- if segment != 'customer' %}
    where customer = 'known'
    {%- endif %}
    {%- endfor %}

),

segment_users as (

    select
        run_id,
        cutoff,
        segment,
        segment_value,
        user_id,
        count(*) as relevant_count
    from relevant_pairs
    group by run_id, cutoff, segment, segment_value, user_id

),

hits as (

    select
        candidates.run_id,
        candidates.cutoff,
        candidates.method,
        relevant_pairs.segment,
        relevant_pairs.segment_value,
        candidates.user_id,
        candidates.rank,
        row_number() over (
            partition by
                candidates.run_id,
                candidates.cutoff,
                candidates.method,
                relevant_pairs.segment,
                relevant_pairs.segment_value,
                candidates.user_id
            order by candidates.rank
        ) * 1.0 / candidates.rank as precision_at_hit
    from candidates
    inner join relevant_pairs
        on candidates.run_id = relevant_pairs.run_id
        and candidates.cutoff = relevant_pairs.cutoff
        and candidates.user_id = relevant_pairs.user_id
        and candidates.product_id = relevant_pairs.product_id

),

user_gains as (

    select
        hits.run_id,
        hits.cutoff,
        hits.method,
        hits.segment,
        hits.segment_value,
        hits.user_id,
        list_lengths.k,
        count(*) as hit_count,
        {{ exact_sum(dcg_discount('hits.rank')) }} as gain,
        {{ exact_sum('hits.precision_at_hit') }} as precision_sum
    from hits
    inner join list_lengths on hits.run_id = list_lengths.run_id and hits.rank <= list_lengths.k
    group by
        hits.run_id, hits.cutoff, hits.method, hits.segment, hits.segment_value, hits.user_id, list_lengths.k

),

methods as (

    select distinct run_id, cutoff, method from candidates

),

-- Novelty and share of the long tail of each list, independent of the relevant products.
list_exposure as (

    select
        candidates.run_id,
        candidates.cutoff,
        candidates.method,
        candidates.user_id,
        list_lengths.k,
        {{ exact_sum('products.self_information') }} / count(*) as novelty,
        count(case when products.is_long_tail then 1 end) * 1.0 / count(*) as long_tail_share
    from candidates
    inner join list_lengths on candidates.run_id = list_lengths.run_id and candidates.rank <= list_lengths.k
    inner join products
        on candidates.run_id = products.run_id
        and candidates.cutoff = products.cutoff
        and candidates.product_id = products.product_id
    group by candidates.run_id, candidates.cutoff, candidates.method, candidates.user_id, list_lengths.k

),

-- Every customer with a relevant product counts; without a list or a hit the metrics are zero.
user_metrics as (

    select
        methods.run_id,
        methods.cutoff,
        methods.method,
        segment_users.segment,
        segment_users.segment_value,
        list_lengths.k,
        coalesce(user_gains.hit_count, 0) * 1.0 / list_lengths.k as precision,
        coalesce(user_gains.hit_count, 0) * 1.0 / segment_users.relevant_count as recall,
        coalesce(user_gains.gain, 0) / ideal_gains.ideal_gain as ndcg,
        coalesce(user_gains.precision_sum, 0) / ideal_gains.hits as map,
        case when user_gains.hit_count > 0 then 1.0 else 0.0 end as hit_rate,
        coalesce(list_exposure.novelty, 0) as novelty,
        coalesce(list_exposure.long_tail_share, 0) as long_tail_share
    from methods
    inner join segment_users on methods.run_id = segment_users.run_id and methods.cutoff = segment_users.cutoff
    inner join list_lengths on methods.run_id = list_lengths.run_id
    inner join ideal_gains
        on ideal_gains.hits = least(segment_users.relevant_count, list_lengths.k)
    left join user_gains
        on methods.run_id = user_gains.run_id
        and methods.cutoff = user_gains.cutoff
        and methods.method = user_gains.method
        and segment_users.segment = user_gains.segment
        and segment_users.segment_value = user_gains.segment_value
        and segment_users.user_id = user_gains.user_id
        and list_lengths.k = user_gains.k
    left join list_exposure
        on methods.run_id = list_exposure.run_id
        and methods.cutoff = list_exposure.cutoff
        and methods.method = list_exposure.method
        and segment_users.user_id = list_exposure.user_id
        and list_lengths.k = list_exposure.k

),

means as (

    select
        run_id,
        cutoff,
        method,
        segment,
        segment_value,
        k,
        count(*) as users
        {%- for metric in ['precision', 'recall', 'ndcg', 'map', 'hit_rate', 'novelty', 'long_tail_share'] %},
        {{ exact_sum('user_metrics.' ~ metric) }} / count(*) as {{ metric }}
        {%- endfor %}
    from user_metrics
    group by run_id, cutoff, method, segment, segment_value, k

),

catalog_sizes as (

    select
        run_id,
        cutoff,
        count(*) as product_count
    from products
    group by run_id, cutoff

),

-- The best rank of each product in any list; from that list length on, the product is covered.
best_ranks as (

    select
        candidates.run_id,
        candidates.cutoff,
        candidates.method,
        segment_users.segment,
        segment_users.segment_value,
        candidates.product_id,
        min(candidates.rank) as rank
    from candidates
    inner join segment_users
        on candidates.run_id = segment_users.run_id
        and candidates.cutoff = segment_users.cutoff
        and candidates.user_id = segment_users.user_id
    where segment_users.{{ is_user_segment }}
    group by
        candidates.run_id, candidates.cutoff, candidates.method, segment_users.segment, segment_users.segment_value,
        candidates.product_id

),

covered_products as (

    select
        best_ranks.run_id,
        best_ranks.cutoff,
        best_ranks.method,
        best_ranks.segment,
        best_ranks.segment_value,
        list_lengths.k,
        count(*) as product_count
    from best_ranks
    inner join list_lengths on best_ranks.run_id = list_lengths.run_id and best_ranks.rank <= list_lengths.k
    group by
        best_ranks.run_id, best_ranks.cutoff, best_ranks.method, best_ranks.segment, best_ranks.segment_value,
        list_lengths.k

),

-- Coverage, novelty and share of the long tail describe whole lists, so segments of products have none.
final as (

    select
        means.run_id,
        runs.trained_at,
        means.cutoff,
        means.method,
        means.segment,
        means.segment_value,
        means.k,
        means.users,
        means.precision,
        means.recall,
        means.ndcg,
        means.map,
        means.hit_rate,
        case
            when means.{{ is_user_segment }}
                then coalesce(covered_products.product_count, 0) * 1.0 / catalog_sizes.product_count
        end as coverage,
        case when means.{{ is_user_segment }} then means.novelty end as novelty,
        case when means.{{ is_user_segment }} then means.long_tail_share end as long_tail_share
    from means
    inner join runs on means.run_id = runs.run_id
    inner join catalog_sizes on means.run_id = catalog_sizes.run_id and means.cutoff = catalog_sizes.cutoff
    left join covered_products
        on means.run_id = covered_products.run_id
        and means.cutoff = covered_products.cutoff
        and means.method = covered_products.method
        and means.segment = covered_products.segment
        and means.segment_value = covered_products.segment_value
        and means.k = covered_products.k

)

select * from final
