-- The conversion funnel: customers, and pairs of customer and product, by step. Only steps with an action are shown; a
-- purchase does not need a click before it.
{% set steps = ['view', 'click', 'add_to_cart', 'purchase'] %}

with counted as (

    select
        {% for step in steps -%}
        count(case when {{ step }}_count > 0 then 1 end) as {{ step }}_pairs,
        count(distinct case when {{ step }}_count > 0 then user_id end) as {{ step }}_customers{{ ',' if not loop.last }}
        {% endfor %}
    from {{ ref('feat_user_product_interactions') }}
    where cutoff = 'now'

),

final as (

    {% for step in steps -%}
    select
        {{ loop.index }} as step_number,
        '{{ step }}' as step,
        {{ step }}_pairs as pairs,
        {{ step }}_customers as customers
    from counted
    {{ 'union all' if not loop.last }}
    {% endfor %}

)

select * from final
where pairs > 0
order by step_number
