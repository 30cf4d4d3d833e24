-- Impressions and attributed actions by what was shown; counts of the day of the impression or the action.
with impressions as (

    select
        cast(seen_at as date) as day,
        basis,
        placement,
        rank,
        source,
        reason_key,
        run_id,
        product_id,
        count(*) as impressions
    from {{ ref('fct_impressions') }}
    group by cast(seen_at as date), basis, placement, rank, source, reason_key, run_id, product_id

),

actions as (

    select
        action_date as day,
        basis,
        placement,
        rank,
        source,
        reason_key,
        run_id,
        product_id,
        count(case when action_type = 'click' then 1 end) as clicks,
        count(case when action_type = 'add_to_cart' then 1 end) as add_to_carts,
        count(case when action_type = 'purchase' then 1 end) as purchases,
        count(case when action_type = 'return' then 1 end) as returns,
        sum(amount) as revenue
    from {{ ref('fct_recommended_actions') }}
    group by action_date, basis, placement, rank, source, reason_key, run_id, product_id

),

counts as (

    select
        day, basis, placement, rank, source, reason_key, run_id, product_id,
        impressions, 0 as clicks, 0 as add_to_carts, 0 as purchases, 0 as returns, 0 as revenue
    from impressions
    union all
    select
        day, basis, placement, rank, source, reason_key, run_id, product_id,
        0 as impressions, clicks, add_to_carts, purchases, returns, coalesce(revenue, 0) as revenue
    from actions

)

select
    counts.day,
    counts.basis,
    counts.placement,
    counts.rank,
    counts.source,
    counts.reason_key,
    counts.run_id,
    products.category,
    cast(sum(counts.impressions) as {{ dbt.type_bigint() }}) as impressions,
    cast(sum(counts.clicks) as {{ dbt.type_bigint() }}) as clicks,
    cast(sum(counts.add_to_carts) as {{ dbt.type_bigint() }}) as add_to_carts,
    cast(sum(counts.purchases) as {{ dbt.type_bigint() }}) as purchases,
    cast(sum(counts.returns) as {{ dbt.type_bigint() }}) as returns,
    {{ cast_to_amount('sum(counts.revenue)') }} as revenue
from counts
left join {{ ref('dim_products') }} as products on counts.product_id = products.product_id
group by
    counts.day, counts.basis, counts.placement, counts.rank, counts.source, counts.reason_key, counts.run_id,
    products.category
