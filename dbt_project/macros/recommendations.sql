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

{#- Logs of an earlier version of RecoMart have other names. -#}
{% macro declared_placement(placement) -%}
    case lower({{ placement }})
        when 'customer' then 'home'
        when 'similar' then 'product_page'
        else lower({{ placement }})
    end
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
{% macro apply_caps(lists, list_key='user_id') -%}
category_ranks as (

    select
        *,
        row_number() over (partition by {{ list_key }}, category order by list_order, candidate_rank desc) as category_rank
    from {{ lists }}

),

brand_ranks as (

    select
        *,
        row_number() over (partition by {{ list_key }}, brand order by list_order, candidate_rank desc) as brand_rank
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
{% macro apply_promotions(lists, list_key='user_id') -%}
promotion_counts as (

    select
        *,
        promoted_every is not null and pinned_position is null as is_promoted,
        sum(case when promoted_every is null and pinned_position is null then 1 else 0 end) over (
            partition by {{ list_key }} order by list_order, candidate_rank desc
            rows between unbounded preceding and current row
        ) as other_count,
        sum(case when promoted_every is not null and pinned_position is null then 1 else 0 end) over (
            partition by {{ list_key }} order by list_order, candidate_rank desc
            rows between unbounded preceding and current row
        ) as promoted_count
    from {{ lists }}

),

promoted_lists as (

    select
        *,
        row_number() over (
            partition by {{ list_key }}
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

{#- unpinned_count is the number of unpinned products down to the row; the rows are ordered by it. A pin at position p that is
    the g-th pin has p - g unpinned products before it. If an earlier pin has the same position, the maximum over the earlier
    pins puts the later pin directly after it. -#}
{% macro apply_pins(lists, list_key='user_id') -%}
pin_offsets as (

    select
        *,
        case
            when is_pinned
                then max(pinned_position - group_rank) over (
                        partition by {{ list_key }}, is_pinned
                        order by group_rank
                        rows between unbounded preceding and current row
                    )
            else group_rank
        end as unpinned_count
    from {{ lists }}

),

pinned_lists as (

    select
        *,
        row_number() over (partition by {{ list_key }} order by unpinned_count, is_pinned, group_rank) as pinned_rank
    from pin_offsets

)
{%- endmacro %}
