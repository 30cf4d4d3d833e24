{%- set action_types = event_types() + ['return'] -%}
with periods as (

    select * from {{ ref('int_drift_periods') }}
    where kind = 'mix'

),

of_products as (

    select
        periods.period,
        days.product_id,
        {% for action_type in action_types -%}
        sum(days.{{ action_type }}_count) as {{ action_type }}_count,
        {% endfor -%}
        sum(
            {%- for action_type in action_types %}
            {{ '+ ' if not loop.first }}days.{{ action_type }}_count
            {%- endfor %}
        ) as action_count
    from {{ ref('int_product_days') }} as days
    inner join periods on days.action_date between periods.first_day and periods.last_day
    group by periods.period, days.product_id

),

of_users as (

    select
        periods.period,
        case when days.action_date = cast(users.first_seen_at as date) then 'new' else 'known' end as customer,
        sum(days.action_count) as action_count,
        sum(days.mobile_count) as mobile_count,
        sum(days.known_device_count - days.mobile_count) as web_count,
        sum(days.action_count - days.known_device_count) as unknown_count
    from {{ ref('int_user_days') }} as days
    inner join periods on days.action_date between periods.first_day and periods.last_day
    inner join {{ ref('dim_users') }} as users on days.user_id = users.user_id
    group by
        periods.period,
        case when days.action_date = cast(users.first_seen_at as date) then 'new' else 'known' end

),

products as (

    select
        product_id,
        coalesce(category, '(unknown)') as category,
        {{ doubling_step('case when price < 0.01 then 0.01 else price end') }} as price_step
    from {{ ref('dim_products') }}

),

-- By the facts of today, in both periods: a product that moves to another category changes the catalog, not what people do.
with_facts as (

    select
        of_products.*,
        products.category,
        products.price_step
    from of_products
    inner join products on of_products.product_id = products.product_id

),

counted as (

    {% for action_type in action_types -%}
    select
        'action_type' as name, '{{ action_type }}' as bin, {{ loop.index }} as place, period, {{ action_type }}_count as actions
    from of_products
    union all
    {% endfor -%}
    {% for device in ['web', 'mobile', 'unknown'] -%}
    select 'device' as name, '{{ device }}' as bin, {{ loop.index }} as place, period, {{ device }}_count as actions
    from of_users
    union all
    {% endfor -%}
    select 'category' as name, category as bin, 0 as place, period, action_count as actions
    from with_facts
    union all
    select
        'price' as name,
        case
            when price_step is null then '(unknown)'
            else concat(power(2.0, price_step), ' to ', power(2.0, price_step + 1))
        end as bin,
        coalesce(price_step, -99) as place,
        period,
        action_count as actions
    from with_facts
    union all
    select 'customer' as name, customer as bin, 0 as place, period, action_count as actions
    from of_users
    union all
    -- Who bought is not always known: what the days of products have and those of customers have not.
    select 'customer' as name, '(unknown)' as bin, 1 as place, period, action_count as actions
    from of_products
    union all
    select 'customer' as name, '(unknown)' as bin, 1 as place, period, -action_count as actions
    from of_users

),

summed as (

    select
        name,
        bin,
        place,
        sum(case when period = 'reference' then actions else 0 end) as reference_rows,
        sum(case when period = 'present' then actions else 0 end) as present_rows
    from counted
    group by name, bin, place

),

-- At a shop's beginning everybody is new: who is, shows once there is as much of its past as a reference is long.
ranked as (

    select
        *,
        row_number() over (partition by name order by reference_rows desc, bin) as size_rank
    from summed
    where
        reference_rows + present_rows > 0
        and (name != 'customer' or (select min(days_before) from periods) >= {{ var('drift_reference_days') }})

),

-- The largest bins of the reference; the others are one. Only categories are that many.
final as (

    select
        name,
        case when size_rank <= {{ var('drift_most_bins') }} then bin else '(other)' end as bin,
        cast(min(place) as {{ type_double() }}) as place,
        cast(sum(reference_rows) as {{ dbt.type_bigint() }}) as reference_rows,
        cast(sum(present_rows) as {{ dbt.type_bigint() }}) as present_rows
    from ranked
    group by name, case when size_rank <= {{ var('drift_most_bins') }} then bin else '(other)' end

)

select * from final
