with now_cutoff as (

    select last_date from {{ ref('int_feature_cutoffs') }}
    where cutoff = 'now'

),

products as (

    select
        rules.product_id,
        products.product_name,
        products.category,
        products.first_seen_at
    from {{ ref('rec_product_rules') }} as rules
    inner join {{ ref('dim_products') }} as products on rules.product_id = products.product_id
    where rules.is_recommendable

),

product_activity as (

    select
        product_id,
        max(last_action_at) as last_action_at,
        {{ safe_divide(
            dbt.datediff('min(action_date)', 'max(action_date)', 'day'), 'count(distinct action_date) - 1'
        ) }} as mean_days_between_active_days
    from {{ ref('int_product_days') }}
    group by product_id

),

-- The slow interval of each category, which nine in ten products do not exceed. Few sales alone do not make a product
-- stale.
category_intervals as (

    select
        products.category,
        percentile_cont(0.9) within group (
            order by product_activity.mean_days_between_active_days
        ) as slow_interval_days
    from products
    inner join product_activity on products.product_id = product_activity.product_id
    group by products.category

),

deliveries as (

    select * from {{ ref('int_product_deliveries') }}

),

list_entry_counts as (

    select
        product_id,
        count(*) as list_entry_count
    from {{ ref('rec_top_n') }}
    group by product_id

),

product_facts as (

    select
        products.product_id,
        products.product_name,
        products.category,
        product_activity.last_action_at,
        coalesce(product_activity.last_action_at, products.first_seen_at) as idle_since,
        now_cutoff.last_date,
        category_intervals.slow_interval_days,
        deliveries.last_delivery_date,
        deliveries.missed_catalog_count,
        coalesce(list_entry_counts.list_entry_count, 0) as list_entry_count
    from products
    left join now_cutoff on true
    left join product_activity on products.product_id = product_activity.product_id
    left join category_intervals on coalesce(products.category, '') = coalesce(category_intervals.category, '')
    left join deliveries on products.product_id = deliveries.product_id
    left join list_entry_counts on products.product_id = list_entry_counts.product_id

),

-- A catalog can be newer than the newest action.
idle_products as (

    select
        *,
        case
            when cast(idle_since as date) > last_date then 0
            else {{ dbt.datediff('idle_since', 'last_date', 'day') }}
        end as idle_days
    from product_facts

),

flagged as (

    select
        *,
        coalesce(
            idle_days >= {{ var('min_stale_days') }}
            and idle_days >= {{ var('stale_interval_multiple') }} * coalesce(slow_interval_days, 0),
            false
        ) as is_idle,
        coalesce(missed_catalog_count >= {{ var('stale_interval_multiple') }}, false) as is_missing_from_catalogs
    from idle_products

),

final as (

    select
        product_id,
        product_name,
        category,
        last_action_at,
        cast(idle_days as integer) as idle_days,
        cast(slow_interval_days as {{ type_double() }}) as slow_interval_days,
        last_delivery_date,
        cast(missed_catalog_count as integer) as missed_catalog_count,
        list_entry_count,
        is_idle or is_missing_from_catalogs as is_stale,
        nullif(concat_ws(
            '; ',
            case
                when is_idle then concat_ws(
                        ', ',
                        concat('no action for ', idle_days, ' days'),
                        case
                            when slow_interval_days is not null
                                then concat(
                                        'slow interval of its category: ', cast(slow_interval_days as decimal(9, 1))
                                    )
                        end
                    )
            end,
            case
                when is_missing_from_catalogs
                    then concat('missing from the last ', missed_catalog_count, ' full catalogs')
            end
        ), '') as stale_reason
    from flagged

)

select * from final
