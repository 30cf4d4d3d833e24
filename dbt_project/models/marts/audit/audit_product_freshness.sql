with now_instant as (

    select last_day from {{ ref('int_as_of_spine') }}
    where as_of_name = 'now'

),

products as (

    select
        rules.product_id,
        products.product_name,
        products.category,
        products.first_seen_at
    from {{ ref('rec_product_rules') }} as rules
    inner join {{ ref('dim_products') }} as products on rules.product_id = products.product_id
    where rules.is_offered

),

active as (

    select
        product_id,
        max(last_action_at) as last_action_at,
        {{ share(dbt.datediff('min(action_date)', 'max(action_date)', 'day'), 'count(distinct action_date) - 1') }}
            as days_between_actions
    from {{ ref('int_product_days') }}
    group by product_id

),

-- The pace of slow products, which nine in ten of the category keep: what sells little is not stale by itself.
paces as (

    select
        products.category,
        percentile_cont(0.9) within group (order by active.days_between_actions) as slow_pace_days
    from products
    inner join active on products.product_id = active.product_id
    group by products.category

),

delivered as (

    select * from {{ ref('int_products_delivered') }}

),

shown as (

    select
        product_id,
        count(*) as lists
    from {{ ref('rec_top_n') }}
    group by product_id

),

joined as (

    select
        products.product_id,
        products.product_name,
        products.category,
        active.last_action_at,
        coalesce(active.last_action_at, products.first_seen_at) as idle_since,
        now_instant.last_day,
        paces.slow_pace_days,
        delivered.last_delivered_on,
        delivered.catalogs_missed,
        coalesce(shown.lists, 0) as lists
    from products
    left join now_instant on true
    left join active on products.product_id = active.product_id
    left join paces on coalesce(products.category, '') = coalesce(paces.category, '')
    left join delivered on products.product_id = delivered.product_id
    left join shown on products.product_id = shown.product_id

),

-- A catalog may be newer than the newest action.
measured as (

    select
        *,
        case
            when cast(idle_since as date) > last_day then 0
            else {{ dbt.datediff('idle_since', 'last_day', 'day') }}
        end as idle_days
    from joined

),

judged as (

    select
        *,
        coalesce(
            idle_days >= {{ var('stale_least_days') }}
            and idle_days >= {{ var('stale_paces') }} * coalesce(slow_pace_days, 0),
            false
        ) as is_idle,
        coalesce(catalogs_missed >= {{ var('stale_paces') }}, false) as is_left_out
    from measured

),

final as (

    select
        product_id,
        product_name,
        category,
        last_action_at,
        cast(idle_days as integer) as idle_days,
        cast(slow_pace_days as {{ type_double() }}) as slow_pace_days,
        last_delivered_on,
        cast(catalogs_missed as integer) as catalogs_missed,
        lists,
        is_idle or is_left_out as is_stale,
        nullif(concat_ws('; ',
            case
                when is_idle then concat_ws(
                    ', ',
                    concat('nobody dealt with it for ', idle_days, ' days'),
                    case
                        when slow_pace_days is not null
                            then concat('a slow product of its category waits ', cast(slow_pace_days as decimal(9, 1)))
                    end
                )
            end,
            case when is_left_out then concat('the last ', catalogs_missed, ' whole catalogs left it out') end
        ), '') as stale_because
    from judged

)

select * from final
