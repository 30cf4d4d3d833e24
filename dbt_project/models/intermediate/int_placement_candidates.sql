{{ config(materialized='view') }}

-- The columns that the candidates of each kind have, besides those of all kinds.
{% set kind_columns = {
    'int_home_candidates': ['user_id', 'reason_product_id'],
    'int_bought_candidates': ['user_id'],
    'int_viewed_candidates': ['user_id'],
    'int_related_candidates': ['list_product_id', 'reason_product_id'],
    'int_category_candidates': ['list_category'],
} -%}
{% for candidates, columns in kind_columns.items() %}
select
    placement,
    rule_profile,
    {% for column in ['user_id', 'list_product_id', 'list_category'] -%}
    {{ column if column in columns else 'null as ' ~ column }},
    {% endfor -%}
    product_id,
    list_order,
    score,
    source,
    reason_key,
    {{ '' if 'reason_product_id' in columns else 'null as ' }}reason_product_id
from {{ ref(candidates) }}
{% if not loop.last %}
union all
{% endif %}
{%- endfor %}
