-- The lists are counted once, by product and rank; every depth is a sum of these counts.
with rank_counts as (

    select
        product_id,
        rank,
        count(*) as customer_count
    from {{ ref('rec_top_n') }}
    group by product_id, rank

),

rank_totals as (

    select
        *,
        sum(customer_count) over (partition by product_id order by rank) as customers_up_to_rank,
        sum(customer_count) over (partition by product_id) as list_customer_count
    from rank_counts

),

lists as (

    select
        product_id,
        sum(case when rank = 1 then customer_count else 0 end) as first_place_customer_count,
        sum(case when rank <= 3 then customer_count else 0 end) as top_3_customer_count,
        sum(case when rank <= 10 then customer_count else 0 end) as top_10_customer_count,
        sum(customer_count) as list_customer_count,
        min(rank) as best_rank,
        min(case when 2 * customers_up_to_rank >= list_customer_count then rank end) as median_rank
    from rank_totals
    group by product_id

),

-- The models of an experiment's arms have candidates of the same customers, so the counts of the models are not added.
candidates as (

    select
        product_id,
        max(customer_count) as candidate_customer_count
    from (
        select
            run_id,
            product_id,
            count(*) as customer_count
        from {{ ref('stg_ml__candidates') }}
        group by run_id, product_id
    ) as run_counts
    group by product_id

),

joined as (

    select
        products.product_id,
        products.product_name,
        products.category,
        products.brand,
        products.is_available,
        products.price,
        products.currency,
        prices.previous_price,
        prices.valid_from as price_changed_at,
        rules.is_recommendable,
        rules.exclusion_reason,
        rules.category_cap,
        rules.brand_cap,
        freshness.stale_reason,
        lists.best_rank,
        lists.median_rank,
        activity.last_action_at,
        {% for count in ['first_place', 'top_3', 'top_10', 'list'] -%}
        cast(coalesce(lists.{{ count }}_customer_count, 0) as {{ dbt.type_bigint() }}) as {{ count }}_customer_count,
        {% endfor -%}
        coalesce(candidates.candidate_customer_count, 0) as candidate_customer_count,
        {% for column in ['action_count', 'quantity', 'amount'] -%}
        coalesce(activity.{{ column }}_28d, 0) as {{ column }}_28d,
        coalesce(activity.{{ column }}_before_28d, 0) as {{ column }}_before_28d,
        {% endfor -%}
        coalesce(activity.quantity, 0) as quantity
    from {{ ref('dim_products') }} as products
    inner join {{ ref('rec_product_rules') }} as rules on products.product_id = rules.product_id
    left join {{ ref('audit_product_freshness') }} as freshness on products.product_id = freshness.product_id
    left join lists on products.product_id = lists.product_id
    left join candidates on products.product_id = candidates.product_id
    left join {{ ref('int_product_sales') }} as activity on products.product_id = activity.product_id
    left join {{ ref('rec_product_prices') }} as prices
        on products.product_id = prices.product_id and prices.is_current and prices.previous_price is not null

)

select
    *,
    {{ share_of_total('top_10_customer_count') }} as top_10_share,
    {{ share_of_total(not_negative('quantity_28d')) }} as quantity_share_28d,
    {{ share_of_total(not_negative('amount_28d')) }} as amount_share_28d,
    {{ not_shown_reason_key() }} as not_shown_reason_key,
    {{ not_shown_reason(not_shown_reason_key()) }} as not_shown_reason
from joined
