{% macro is_active_on(rules, day) -%}
    ({{ rules }}.valid_from is null or {{ rules }}.valid_from <= {{ day }})
    and ({{ rules }}.valid_until is null or {{ rules }}.valid_until > {{ day }})
{%- endmacro %}

{% macro today() -%}
    cast({{ dbt.current_timestamp() }} as date)
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
        row_number() over (partition by user_id, category order by list_order, candidate_rank desc) as category_rank
    from {{ lists }}

),

brand_ranks as (

    select
        *,
        row_number() over (partition by user_id, brand order by list_order, candidate_rank desc) as brand_rank
    from category_ranks
    where category_cap is null or category_rank <= category_cap

),

within_caps as (

    select * from brand_ranks
    where brand_cap is null or brand_rank <= brand_cap

)
{%- endmacro %}

{#- The g-th promoted product of a list has at most g * (promoted_every - 1) other products before it, pins aside, and is
    therefore at place g * promoted_every or before. The others keep their order. -#}
{% macro apply_promotions(lists) -%}
promotion_counts as (

    select
        *,
        promoted_every is not null and pinned_position is null as is_promoted,
        sum(case when promoted_every is null and pinned_position is null then 1 else 0 end) over (
            partition by user_id order by list_order, candidate_rank desc
            rows between unbounded preceding and current row
        ) as other_count,
        sum(case when promoted_every is not null and pinned_position is null then 1 else 0 end) over (
            partition by user_id order by list_order, candidate_rank desc
            rows between unbounded preceding and current row
        ) as promoted_count
    from {{ lists }}

),

promoted_lists as (

    select
        *,
        row_number() over (
            partition by user_id
            order by
                case when pinned_position is null then 1 else 0 end,
                case when is_promoted then least(other_count, promoted_count * (promoted_every - 1)) else other_count end,
                is_promoted,
                promoted_count,
                list_order
        ) as promoted_rank
    from promotion_counts

)
{%- endmacro %}
