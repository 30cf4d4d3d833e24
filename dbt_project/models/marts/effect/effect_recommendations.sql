-- Impressions and attributed actions by what was shown; counts of the day of the impression or the action. Impressions without a
-- customer, or after the newest action, are left out: their actions are not known, and the click-through rate would be too low.
with impressions as (

    select
        cast(impressions.seen_at as date) as day,
        impressions.basis,
        impressions.placement,
        impressions.rank,
        impressions.source,
        impressions.reason_key,
        impressions.run_id,
        products.category,
        count(*) as impressions,
        0 as clicks,
        0 as add_to_carts,
        0 as purchases,
        0 as returns,
        0 as revenue
    from {{ ref('fct_impressions') }} as impressions
    left join {{ ref('dim_products') }} as products on impressions.product_id = products.product_id
    inner join {{ ref('int_feature_cutoffs') }} as cutoffs
        on cutoffs.cutoff = 'now'
        and cast(impressions.seen_at as date) <= cutoffs.last_date
    where impressions.user_id is not null
    group by
        cast(impressions.seen_at as date), impressions.basis, impressions.placement, impressions.rank,
        impressions.source, impressions.reason_key, impressions.run_id, products.category

),

actions as (

    select
        actions.action_date as day,
        actions.basis,
        actions.placement,
        actions.rank,
        actions.source,
        actions.reason_key,
        actions.run_id,
        products.category,
        0 as impressions,
        count(case when actions.action_type = 'click' then 1 end) as clicks,
        count(case when actions.action_type = 'add_to_cart' then 1 end) as add_to_carts,
        count(case when actions.action_type = 'purchase' then 1 end) as purchases,
        count(case when actions.action_type = 'return' then 1 end) as returns,
        coalesce(sum(actions.amount), 0) as revenue
    from {{ ref('fct_recommended_actions') }} as actions
    left join {{ ref('dim_products') }} as products on actions.product_id = products.product_id
    group by
        actions.action_date, actions.basis, actions.placement, actions.rank, actions.source, actions.reason_key,
        actions.run_id, products.category

)

select
    day,
    basis,
    placement,
    rank,
    source,
    reason_key,
    run_id,
    category,
    cast(sum(impressions) as {{ dbt.type_bigint() }}) as impressions,
    cast(sum(clicks) as {{ dbt.type_bigint() }}) as clicks,
    cast(sum(add_to_carts) as {{ dbt.type_bigint() }}) as add_to_carts,
    cast(sum(purchases) as {{ dbt.type_bigint() }}) as purchases,
    cast(sum(returns) as {{ dbt.type_bigint() }}) as returns,
    {{ cast_to_amount('sum(revenue)') }} as revenue
from (
    select * from impressions
    union all
    select * from actions
) as counts
group by day, basis, placement, rank, source, reason_key, run_id, category
