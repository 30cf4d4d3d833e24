-- Weeks of seven days, counted back from the day of the shop's newest action: the newest week is as long as the others.
with days as (

    select
        days.*,
        {{ dbt.datediff('days.action_date', 'cutoffs.last_date', 'day') }} as days_before_now,
        cutoffs.last_date
    from {{ ref('int_product_days') }} as days
    inner join {{ ref('int_feature_cutoffs') }} as cutoffs
        on cutoffs.cutoff = 'now' and days.period_start < cutoffs.as_of

),

weeks as (

    select
        *,
        days_before_now - days_before_now % 7 as days_after_week
    from days
    where days_before_now < {{ 7 * var('product_trend_weeks') }}

)

select
    product_id,
    cast({{ dbt.dateadd('day', 'cast(-6 - days_after_week as integer)', 'last_date') }} as date) as week_start,
    cast(sum(view_count) as {{ dbt.type_bigint() }}) as view_count,
    cast(sum(click_count) as {{ dbt.type_bigint() }}) as click_count,
    cast(sum(add_to_cart_count) as {{ dbt.type_bigint() }}) as add_to_cart_count,
    cast(sum(purchase_count) as {{ dbt.type_bigint() }}) as purchase_count,
    {{ exact_sum('quantity') }} as quantity,
    {{ cast_to_amount('coalesce(sum(revenue), 0)') }} as amount
from weeks
group by product_id, days_after_week, last_date
