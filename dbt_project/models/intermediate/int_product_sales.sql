{% set periods = {
    '28d': is_in_last_days('days.action_date', 28),
    'before_28d': is_in_last_days('days.action_date', 56) ~ ' and not ' ~ is_in_last_days('days.action_date', 28),
} %}

-- noqa: disable=LT02

select
    days.product_id,
    {% for name, condition in periods.items() -%}
    cast(
        sum(
            case
                when {{ condition }}
                    then days.view_count + days.click_count + days.add_to_cart_count + days.remove_from_cart_count
                        + days.purchase_count
                else 0
            end
        ) as {{ dbt.type_bigint() }}
    ) as action_count_{{ name }},
    {{ exact_sum('case when ' ~ condition ~ ' then days.quantity end') }} as quantity_{{ name }},
    {{ cast_to_amount('sum(case when ' ~ condition ~ ' then days.revenue end)') }} as amount_{{ name }},
    {% endfor -%}
    {{ exact_sum('days.quantity') }} as quantity,
    max(days.last_action_at) as last_action_at
from {{ ref('int_product_days') }} as days
inner join {{ ref('int_feature_cutoffs') }} as cutoffs on cutoffs.cutoff = 'now' and days.period_start < cutoffs.as_of
group by days.product_id
