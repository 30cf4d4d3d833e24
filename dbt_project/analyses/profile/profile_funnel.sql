-- The conversion funnel: customers, and pairs of customer and product, by step. Only steps with an action are shown; a
-- purchase does not need a click before it.
{% set steps = ['view', 'click', 'add_to_cart', 'purchase'] %}

{% for step in steps -%}
select
    {{ loop.index }} as step_number,
    '{{ step }}' as step,
    count(*) as pairs,
    count(distinct user_id) as customers
from {{ ref('feat_user_product_interactions') }}
where cutoff = 'now' and {{ step }}_count > 0
having count(*) > 0
{{ 'union all' if not loop.last }}
{% endfor %}
order by step_number
