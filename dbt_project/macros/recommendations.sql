{% macro is_active_on(rules, day) -%}
    ({{ rules }}.valid_from is null or {{ rules }}.valid_from <= {{ day }})
    and ({{ rules }}.valid_until is null or {{ rules }}.valid_until > {{ day }})
{%- endmacro %}

{% macro normalized_rule_value(scope, value) -%}
    case when {{ scope }} = 'product' then {{ clean_id(value) }} else lower({{ clean_text(value) }}) end
{%- endmacro %}

{#- No customer has an empty id. -#}
{% macro anonymous_user_id() -%}
    ''
{%- endmacro %}

{% macro fill_placeholders(text, product, category) -%}
    replace(replace({{ text }}, '{category}', coalesce({{ category }}, '')), '{product}', coalesce({{ product }}, ''))
{%- endmacro %}

{% macro fill_purchase_placeholders(text, count, date) -%}
    replace(
        replace({{ text }}, '{count}', coalesce(cast({{ count }} as {{ dbt.type_string() }}), '')),
        '{date}',
        coalesce(cast({{ date }} as {{ dbt.type_string() }}), '')
    )
{%- endmacro %}

{#- Category caps apply first, then brand caps apply to the products that they leave. A product that the cap of its
    brand drops has therefore used a place of its category. -#}
{% macro apply_caps(lists) -%}
category_ranks as (

    select
        *,
        row_number() over (partition by user_id, category order by list_order) as category_rank
    from {{ lists }}

),

brand_ranks as (

    select
        *,
        row_number() over (partition by user_id, brand order by list_order) as brand_rank
    from category_ranks
    where category_cap is null or category_rank <= category_cap

),

within_caps as (

    select * from brand_ranks
    where brand_cap is null or brand_rank <= brand_cap

)
{%- endmacro %}
