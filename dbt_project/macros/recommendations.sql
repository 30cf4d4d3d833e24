{#- Whether a rule with valid_from and valid_until, days (UTC) of which the second is not included, holds on a day. -#}
{% macro is_active_on(rules, day) -%}
    ({{ rules }}.valid_from is null or {{ rules }}.valid_from <= {{ day }})
    and ({{ rules }}.valid_until is null or {{ rules }}.valid_until > {{ day }})
{%- endmacro %}

{#- What a rule names, as the products have it: ids as they are, categories and brands in lower case. -#}
{% macro normalized_rule_value(scope, value) -%}
    case when {{ scope }} = 'product' then {{ clean_text(value) }} else lower({{ clean_text(value) }}) end
{%- endmacro %}

{#- The list of somebody of whom nothing is known: no customer's id is empty. -#}
{% macro anonymous_user_id() -%}
    ''
{%- endmacro %}

{#- Why a pinned product is offered, in words for people. -#}
{% macro pinned_reason() -%}
    'Chosen by the shop'
{%- endmacro %}

{#- The reason of an offer for which nothing speaks. -#}
{% macro default_reason(category) -%}
    'More from ' || coalesce({{ category }}, 'the shop')
{%- endmacro %}

{#- CTEs, the last of them 'kept', for a query that begins with `with recursive`: the rows of lists (user_id, place, category,
    brand, category_cap, brand_cap) that the caps leave when each list is walked from its first place down.

    Whether a row finds its category full depends on the rows above it that its brand's cap leaves, and these on others
    again; so lists are not walked row by row but in rounds. A round takes every undecided row that would find room even if
    all undecided rows above it were taken; the next one drops those that find none among what is taken by now. At least the
    first undecided row of a list is decided; with caps on categories alone or brands alone, all are after one round. -#}
{% macro apply_caps(lists) -%}
{%- set above = 'order by list_order rows between unbounded preceding and 1 preceding' -%}
capped as (

    select
        user_id,
        list_order,
        case when category_cap is not null then category end as category,
        case when brand_cap is not null then brand end as brand,
        category_cap,
        brand_cap
    from {{ lists }}
    where category_cap is not null or brand_cap is not null

),

first_round as (

    select
        *,
        {{ has_room_in_worst_case(0, 0) }} as is_taken
    from capped

),

rounds as (

    select
        user_id,
        list_order,
        category,
        brand,
        category_cap,
        brand_cap,
        cast(0 as {{ dbt.type_bigint() }}) as category_taken_count,
        cast(0 as {{ dbt.type_bigint() }}) as brand_taken_count,
        is_taken
    from (
        select
            *,
            count(case when is_taken then 1 end) over (partition by user_id {{ above }}) as taken_above_count
        from first_round
    ) as numbered_rounds
    -- A list is full with so many.
    where taken_above_count < {{ var('top_n') }}

    union all

    select
        user_id,
        list_order,
        category,
        brand,
        category_cap,
        brand_cap,
        category_taken_count,
        brand_taken_count,
        {{ has_room_in_worst_case('category_taken_count', 'brand_taken_count') }} as is_taken
    from (
        select
            user_id,
            list_order,
            category,
            brand,
            category_cap,
            brand_cap,
            category_taken_count + count(case when is_taken then 1 end) over (
                partition by user_id, category {{ above }}
            ) as category_taken_count,
            brand_taken_count + count(case when is_taken then 1 end) over (
                partition by user_id, brand {{ above }}
            ) as brand_taken_count,
            is_taken as was_taken
        from rounds
    ) as numbered_rounds
    where
        not was_taken
        and coalesce(category_taken_count < category_cap, true)
        and coalesce(brand_taken_count < brand_cap, true)

),

taken as (

    select user_id, list_order from rounds
    where is_taken

),

within_caps as (

    select lists.*
    from {{ lists }} as lists
    left join taken on lists.user_id = taken.user_id and lists.list_order = taken.list_order
    where taken.list_order is not null or (lists.category_cap is null and lists.brand_cap is null)

)
{%- endmacro %}

{#- Whether there is room for a row even if all rows above it are taken, after so many of its category and brand. -#}
{% macro has_room_in_worst_case(category_taken_count, brand_taken_count) -%}
        coalesce(
            {{ category_taken_count }} + row_number() over (partition by user_id, category order by list_order) <= category_cap,
            true
        )
        and coalesce(
            {{ brand_taken_count }} + row_number() over (partition by user_id, brand order by list_order) <= brand_cap,
            true
        )
{%- endmacro %}
