{{ config(materialized='view') }}

{#- Features are compared for recently active users and products and for available products, because a growing history would
    otherwise look like drift. For the same reason the list has no feature that only grows, and none that depends on the hour
    or weekday of the cutoff. Between cutoffs at most a week apart, days since the last action have an index of up to 0.31 in
    the demo shop and 1.5 in Online Retail, and strengths, which decay by the hour, one of 0.14 in Online Retail. The listed
    features have at most 0.02. -#}
{%- set features = [
    {
        'table': 'feat_user_activity',
        'columns': ['action_count_28d', 'average_order_value', 'add_to_cart_rate', 'purchase_rate', 'mobile_share'],
        'condition': 'features.action_count_28d > 0',
    },
    {
        'table': 'feat_product_popularity',
        'columns': ['event_count_28d', 'purchase_count_28d', 'user_count_28d', 'recent_popularity', 'conversion_rate'],
        'condition': 'features.event_count_28d + features.purchase_count_28d > 0',
    },
    {
        'table': 'ml_product_features',
        'columns': ['price'],
        'condition': 'features.is_available',
    },
] %}

{% for feature in features -%}
{% set is_last_table = loop.last -%}
{% for column in feature['columns'] -%}
select
    '{{ feature['table'] }}.{{ column }}' as name,
    periods.period,
    cast(features.{{ column }} as {{ type_double() }}) as value
from {{ ref(feature['table']) }} as features
inner join {{ ref('int_drift_periods') }} as periods on periods.kind = 'feature' and features.cutoff = periods.cutoff
where {{ feature['condition'] }}
{{ 'union all' if not (loop.last and is_last_table) }}
{% endfor -%}
{% endfor %}
