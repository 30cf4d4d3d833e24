{{ config(materialized='view') }}

{%- set columns = [
    'placement', 'rule_profile', 'user_id', 'list_product_id', 'list_category', 'product_id', 'list_order', 'score', 'source',
    'reason_key', 'reason_product_id',
] %}
{%- set candidates = {
    'int_home_candidates': ['list_product_id', 'list_category'],
    'int_bought_candidates': ['list_product_id', 'list_category', 'reason_product_id'],
    'int_viewed_candidates': ['list_product_id', 'list_category', 'reason_product_id'],
    'int_related_candidates': ['user_id', 'list_category'],
    'int_category_candidates': ['user_id', 'list_product_id', 'reason_product_id'],
} %}

{% for model, missing_columns in candidates.items() -%}
select
    {% for column in columns -%}
    {{ 'cast(null as ' ~ dbt.type_string() ~ ') as ' ~ column if column in missing_columns else column }}{{ ',' if not loop.last }}
    {% endfor -%}
from {{ ref(model) }}
{% if not loop.last %}
union all

{% endif -%}
{%- endfor %}
