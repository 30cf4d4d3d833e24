{#- A metric is the ratio of the sums over the customers of an arm. With the denominator 1 it is a mean per customer. -#}
{% macro experiment_metrics() -%}
    {{ return({
        'click_through_rate': {'numerator': 'clicks', 'denominator': 'impressions'},
        'conversion': {'numerator': 'case when orders > 0 then 1 else 0 end', 'denominator': '1'},
        'orders_per_customer': {'numerator': 'orders', 'denominator': '1'},
        'revenue_per_customer': {'numerator': 'revenue', 'denominator': '1'},
        'average_order_value': {'numerator': 'revenue', 'denominator': 'orders'},
        'pieces_per_order': {'numerator': 'pieces', 'denominator': 'orders'},
        'categories_per_order': {'numerator': 'order_categories', 'denominator': 'orders'},
        'returning_customers': {'numerator': 'case when active_days > 1 then 1 else 0 end', 'denominator': '1'},
        'return_share': {'numerator': 'return_lines', 'denominator': 'purchase_lines'},
    }) }}
{%- endmacro %}

{#- Their differences stand beside those of the metrics of the same name, whose orders are capped. -#}
{% macro uncapped_experiment_metrics() -%}
    {{ return({
        'uncapped_revenue_per_customer': {'numerator': 'uncapped_revenue', 'denominator': '1'},
        'uncapped_average_order_value': {'numerator': 'uncapped_revenue', 'denominator': 'orders'},
        'uncapped_pieces_per_order': {'numerator': 'uncapped_pieces', 'denominator': 'orders'},
    }) }}
{%- endmacro %}
