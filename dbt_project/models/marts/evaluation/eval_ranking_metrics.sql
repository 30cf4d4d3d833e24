{%- set of_customers = "segment in ('all', 'activity', 'customer')" -%}
with runs as (

    select run_id, trained_at from {{ source('ml', 'model_runs') }}

),

pairs as (

    select * from {{ source('ml', 'evaluation_pairs') }}

),

candidates as (

    select * from {{ source('ml', 'evaluation_candidates') }}

),

products as (

    select
        run_id,
        as_of_name,
        product_id,
        -ln(customer_share) / ln(2.0) as self_information,
        case when is_long_tail then 1.0 else 0.0 end as is_long_tail
    from {{ source('ml', 'evaluation_products') }}

),

-- Those that the trainer measured the same lists at.
cut_offs as (

    select distinct
        metrics.run_id,
        metrics.k
    from {{ source('ml', 'ranking_metrics') }} as metrics
    inner join (select distinct run_id from candidates) as listed on metrics.run_id = listed.run_id

),

-- The best discounted gain that a list with this many hits can reach.
ideal_gains as (

    select
        generated_number as hits,
        sum({{ discount('generated_number') }}) over (order by generated_number) as ideal_gain
    from ({{ dbt.generate_series(1000) }}) as numbers

),

-- Relevant pairs once for every segment that they are in. New customers stand by themselves.
relevant_pairs as (

    select
        run_id,
        as_of_name,
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
        as_of_name,
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

users as (

    select
        run_id,
        as_of_name,
        segment,
        segment_value,
        user_id,
        count(*) as relevant_count
    from relevant_pairs
    group by run_id, as_of_name, segment, segment_value, user_id

),

hits as (

    select
        candidates.run_id,
        candidates.as_of_name,
        candidates.method,
        relevant_pairs.segment,
        relevant_pairs.segment_value,
        candidates.user_id,
        candidates.rank,
        row_number() over (
            partition by
                candidates.run_id,
                candidates.as_of_name,
                candidates.method,
                relevant_pairs.segment,
                relevant_pairs.segment_value,
                candidates.user_id
            order by candidates.rank
        ) * 1.0 / candidates.rank as precision_at_hit
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
        hits.segment,
        hits.segment_value,
        hits.user_id,
        cut_offs.k,
        count(*) as hit_count,
        {{ exact_sum(discount('hits.rank')) }} as gain,
        {{ exact_sum('hits.precision_at_hit') }} as precisions
    from hits
    inner join cut_offs on hits.run_id = cut_offs.run_id and hits.rank <= cut_offs.k
    group by
        hits.run_id, hits.as_of_name, hits.method, hits.segment, hits.segment_value, hits.user_id, cut_offs.k

),

methods as (

    select distinct run_id, as_of_name, method from candidates

),

-- What each list shows, whatever is relevant.
shown as (

    select
        candidates.run_id,
        candidates.as_of_name,
        candidates.method,
        candidates.user_id,
        cut_offs.k,
        {{ exact_sum('products.self_information') }} / count(*) as novelty,
        {{ exact_sum('products.is_long_tail') }} / count(*) as long_tail_share
    from candidates
    inner join cut_offs on candidates.run_id = cut_offs.run_id and candidates.rank <= cut_offs.k
    inner join products
        on candidates.run_id = products.run_id
        and candidates.as_of_name = products.as_of_name
        and candidates.product_id = products.product_id
    group by candidates.run_id, candidates.as_of_name, candidates.method, candidates.user_id, cut_offs.k

),

-- Every customer with something relevant counts, also when no list or no hit was there: as zero.
per_user as (

    select
        methods.run_id,
        methods.as_of_name,
        methods.method,
        users.segment,
        users.segment_value,
        cut_offs.k,
        coalesce(gains.hit_count, 0) * 1.0 / cut_offs.k as precision,
        coalesce(gains.hit_count, 0) * 1.0 / users.relevant_count as recall,
        coalesce(gains.gain, 0) / ideal_gains.ideal_gain as ndcg,
        coalesce(gains.precisions, 0) / ideal_gains.hits as map,
        case when gains.hit_count > 0 then 1.0 else 0.0 end as hit_rate,
        coalesce(shown.novelty, 0) as novelty,
        coalesce(shown.long_tail_share, 0) as long_tail_share
    from methods
    inner join users on methods.run_id = users.run_id and methods.as_of_name = users.as_of_name
    inner join cut_offs on methods.run_id = cut_offs.run_id
    inner join ideal_gains
        on ideal_gains.hits = case when users.relevant_count < cut_offs.k then users.relevant_count else cut_offs.k end
    left join gains
        on methods.run_id = gains.run_id
        and methods.as_of_name = gains.as_of_name
        and methods.method = gains.method
        and users.segment = gains.segment
        and users.segment_value = gains.segment_value
        and users.user_id = gains.user_id
        and cut_offs.k = gains.k
    left join shown
        on methods.run_id = shown.run_id
        and methods.as_of_name = shown.as_of_name
        and methods.method = shown.method
        and users.user_id = shown.user_id
        and cut_offs.k = shown.k

),

means as (

    select
        run_id,
        as_of_name,
        method,
        segment,
        segment_value,
        k,
        count(*) as users
        {%- for metric in ['precision', 'recall', 'ndcg', 'map', 'hit_rate', 'novelty', 'long_tail_share'] %},
        {{ exact_sum('per_user.' ~ metric) }} / count(*) as {{ metric }}
        {%- endfor %}
    from per_user
    group by run_id, as_of_name, method, segment, segment_value, k

),

catalog_sizes as (

    select
        run_id,
        as_of_name,
        count(*) as product_count
    from products
    group by run_id, as_of_name

),

-- The best place that each product has in anybody's list: it is covered from that length on.
best_places as (

    select
        candidates.run_id,
        candidates.as_of_name,
        candidates.method,
        users.segment,
        users.segment_value,
        candidates.product_id,
        min(candidates.rank) as rank
    from candidates
    inner join users
        on candidates.run_id = users.run_id
        and candidates.as_of_name = users.as_of_name
        and candidates.user_id = users.user_id
    where users.{{ of_customers }}
    group by
        candidates.run_id, candidates.as_of_name, candidates.method, users.segment, users.segment_value,
        candidates.product_id

),

covered as (

    select
        best_places.run_id,
        best_places.as_of_name,
        best_places.method,
        best_places.segment,
        best_places.segment_value,
        cut_offs.k,
        count(*) as product_count
    from best_places
    inner join cut_offs on best_places.run_id = cut_offs.run_id and best_places.rank <= cut_offs.k
    group by
        best_places.run_id, best_places.as_of_name, best_places.method, best_places.segment, best_places.segment_value,
        cut_offs.k

),

-- A list as a whole shows nothing about some products of it: segments of products have no exposure.
final as (

    select
        means.run_id,
        runs.trained_at,
        means.as_of_name,
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
            when means.{{ of_customers }}
                then coalesce(covered.product_count, 0) * 1.0 / catalog_sizes.product_count
        end as coverage,
        case when means.{{ of_customers }} then means.novelty end as novelty,
        case when means.{{ of_customers }} then means.long_tail_share end as long_tail_share
    from means
    inner join runs on means.run_id = runs.run_id
    inner join catalog_sizes on means.run_id = catalog_sizes.run_id and means.as_of_name = catalog_sizes.as_of_name
    left join covered
        on means.run_id = covered.run_id
        and means.as_of_name = covered.as_of_name
        and means.method = covered.method
        and means.segment = covered.segment
        and means.segment_value = covered.segment_value
        and means.k = covered.k

)

select * from final
