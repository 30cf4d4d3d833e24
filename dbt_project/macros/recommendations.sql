{% macro is_active_on(rules, day) -%}
    ({{ rules }}.valid_from is null or {{ rules }}.valid_from <= {{ day }})
    and ({{ rules }}.valid_until is null or {{ rules }}.valid_until > {{ day }})
{%- endmacro %}

{% macro normalized_rule_value(scope, value) -%}
    case when {{ scope }} = 'product' then {{ clean_text(value) }} else lower({{ clean_text(value) }}) end
{%- endmacro %}

{#- No customer has an empty id. -#}
{% macro anonymous_user_id() -%}
    ''
{%- endmacro %}

{% macro pinned_reason() -%}
    'Chosen by the shop'
{%- endmacro %}

{% macro default_reason(category) -%}
    'More from ' || coalesce({{ category }}, 'the shop')
{%- endmacro %}

{#- Whether a category is full depends on the rows above that the brand caps leave, and the other way round. Therefore
    the macro decides in rounds instead of row by row. Each round takes all undecided rows that the caps allow even if
    all undecided rows above them are taken. The next round drops the rows whose category or brand is full by then. Each
    round decides at least the first undecided row of a list. With caps on categories only or on brands only, one round
    decides all rows. -#}
{% macro apply_caps(lists) -%}
{%- set above = 'order by list_order rows between unbounded preceding and 1 preceding' -%}
-- Rows with a cap; a category or brand without a cap is null.
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
        {{ is_within_caps_in_worst_case(0, 0) }} as is_taken
    from capped

),

-- All rounds: each row once per round until it is taken or dropped.
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
    ) as counted_rows
    -- Rows below the first top_n taken rows cannot be listed.
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
        {{ is_within_caps_in_worst_case('category_taken_count', 'brand_taken_count') }} as is_taken
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
    ) as counted_rows
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

{% macro is_within_caps_in_worst_case(category_taken_count, brand_taken_count) -%}
        coalesce(
            {{ category_taken_count }} + row_number() over (partition by user_id, category order by list_order) <= category_cap,
            true
        )
        and coalesce(
            {{ brand_taken_count }} + row_number() over (partition by user_id, brand order by list_order) <= brand_cap,
            true
        )
{%- endmacro %}
