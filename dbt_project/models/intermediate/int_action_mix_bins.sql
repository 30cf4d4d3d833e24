{%- set action_types = event_types() + ['return'] -%}
with periods as (

    select * from {{ ref('int_drift_periods') }}
    where kind = 'mix'

),

-- Actions per period and product.
product_counts as (

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
    inner join periods on days.action_date between periods.first_date and periods.last_date
    group by periods.period, days.product_id

),

-- Actions per period and kind of customer; a customer is new on the first day.
user_counts as (

    select
        periods.period,
        case when days.action_date = cast(users.first_seen_at as date) then 'new' else 'known' end as customer,
        sum(days.action_count) as action_count,
        sum(days.mobile_count) as mobile_count,
        sum(days.known_device_count - days.mobile_count) as web_count,
        sum(days.action_count - days.known_device_count) as unknown_count
    from {{ ref('int_user_days') }} as days
    inner join periods on days.action_date between periods.first_date and periods.last_date
    inner join {{ ref('dim_users') }} as users on days.user_id = users.user_id
    group by
        periods.period,
        case when days.action_date = cast(users.first_seen_at as date) then 'new' else 'known' end

),

products as (

    select
        product_id,
        coalesce(category, '(unknown)') as category,
        {{ log2_bin('case when price < 0.01 then 0.01 else price end') }} as price_bin
    from {{ ref('dim_products') }}

),

-- Both periods use today's attributes: a product that moves to another category changes the catalog, not the actions.
product_counts_with_attributes as (

    select
        product_counts.*,
        products.category,
        products.price_bin
    from product_counts
    inner join products on product_counts.product_id = products.product_id

),

bin_counts as (

    {% for action_type in action_types -%}
    select
        'action_type' as name,
        '{{ action_type }}' as bin,
        {{ loop.index }} as bin_order,
        period,
        {{ action_type }}_count as action_count
    from product_counts
    union all
    {% endfor -%}
    {% for device in ['web', 'mobile', 'unknown'] -%}
    select
        'device' as name,
        '{{ device }}' as bin,
        {{ loop.index }} as bin_order,
        period,
        {{ device }}_count as action_count
    from user_counts
    union all
    {% endfor -%}
    select 'category' as name, category as bin, 0 as bin_order, period, action_count
    from product_counts_with_attributes
    union all
    select
        'price' as name,
        case
            when price_bin is null then '(unknown)'
            else concat(power(2.0, price_bin), ' to ', power(2.0, price_bin + 1))
        end as bin,
        coalesce(price_bin, -99) as bin_order,
        period,
        action_count
    from product_counts_with_attributes
    union all
    select 'customer' as name, customer as bin, 0 as bin_order, period, action_count
    from user_counts
    union all
    -- Actions of unknown customers: all actions on products, less those of known customers.
    select 'customer' as name, '(unknown)' as bin, 1 as bin_order, period, action_count
    from product_counts
    union all
    select 'customer' as name, '(unknown)' as bin, 1 as bin_order, period, -action_count as action_count
    from user_counts

),

period_counts as (

    select
        name,
        bin,
        bin_order,
        sum(case when period = 'reference' then action_count else 0 end) as reference_rows,
        sum(case when period = 'current' then action_count else 0 end) as current_rows
    from bin_counts
    group by name, bin, bin_order

),

-- In a young shop all customers are new. Their bins need a history before the reference as long as the reference itself.
ranked_bins as (

    select
        *,
        row_number() over (partition by name order by reference_rows desc, bin) as size_rank
    from period_counts
    where
        reference_rows + current_rows > 0
        and (
            name != 'customer'
            or (select min(periods.days_before_reference) from periods) >= {{ var('drift_reference_days') }}
        )

),

-- The bins after the largest ones of the reference are merged into (other). Only categories have that many bins.
final as (

    select
        name,
        case when size_rank <= {{ var('max_drift_bins') }} then bin else '(other)' end as bin,
        cast(min(bin_order) as {{ type_double() }}) as bin_order,
        cast(sum(reference_rows) as {{ dbt.type_bigint() }}) as reference_rows,
        cast(sum(current_rows) as {{ dbt.type_bigint() }}) as current_rows
    from ranked_bins
    group by name, case when size_rank <= {{ var('max_drift_bins') }} then bin else '(other)' end

)

select * from final
