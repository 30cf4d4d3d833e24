{#- Whether a rule with valid_from and valid_until, days (UTC) of which the second is not included, holds at an instant. -#}
{% macro is_in_force(rules, instant) -%}
    ({{ rules }}.valid_from is null or {{ rules }}.valid_from <= {{ instant }})
    and ({{ rules }}.valid_until is null or {{ rules }}.valid_until > {{ instant }})
{%- endmacro %}

{#- What a rule names, as the products have it: ids as they are, categories and brands in lower case. -#}
{% macro rule_value(scope, value) -%}
    case when {{ scope }} = 'product' then {{ clean_text(value) }} else lower({{ clean_text(value) }}) end
{%- endmacro %}

{#- The list of somebody of whom nothing is known: no customer's id is empty. -#}
{% macro stranger() -%}
    ''
{%- endmacro %}

{#- Why a pinned product is offered, in words for people. -#}
{% macro pinned_reason() -%}
    'Chosen by the shop'
{%- endmacro %}

{#- CTEs, the last of them 'kept', for a query that begins with `with recursive`: the rows of lists (user_id, place, category,
    brand, category_cap, brand_cap) that the caps leave when each list is walked from its first place down.

    Whether a row finds its category full depends on the rows above it that its brand's cap leaves, and these on others
    again; so lists are not walked row by row but in rounds. A round takes every undecided row that would find room even if
    all undecided rows above it were taken, and refuses every one that finds none among those that are. At least the first
    undecided row of a list is decided; with caps on categories alone or brands alone, all are in the first round. -#}
{% macro kept_by_caps(lists) -%}
{%- set above = 'order by place rows between unbounded preceding and 1 preceding' -%}
rounds as (

    select
        user_id,
        place,
        category,
        brand,
        category_cap,
        brand_cap,
        cast(0 as {{ dbt.type_bigint() }}) as taken_of_category,
        cast(0 as {{ dbt.type_bigint() }}) as taken_of_brand,
        false as is_taken
    from {{ lists }}
    where category_cap is not null or brand_cap is not null

    union all

    select
        user_id,
        place,
        category,
        brand,
        category_cap,
        brand_cap,
        taken_of_category,
        taken_of_brand,
        is_taken
    from (
        select
            user_id,
            place,
            category,
            brand,
            category_cap,
            brand_cap,
            taken_of_category + count(case when finds_room then 1 end) over (
                partition by user_id, category {{ above }}
            ) as taken_of_category,
            taken_of_brand + count(case when finds_room then 1 end) over (
                partition by user_id, brand {{ above }}
            ) as taken_of_brand,
            finds_room as is_taken
        from (
            select
                *,
                coalesce(
                    taken_of_category + row_number() over (partition by user_id, category order by place) <= category_cap,
                    true
                ) and coalesce(
                    taken_of_brand + row_number() over (partition by user_id, brand order by place) <= brand_cap,
                    true
                ) as finds_room
            from rounds
            where not is_taken
        ) as undecided
    ) as decided
    where
        is_taken
        or (coalesce(taken_of_category < category_cap, true) and coalesce(taken_of_brand < brand_cap, true))

),

taken as (

    select user_id, place from rounds
    where is_taken

),

kept as (

    select lists.*
    from {{ lists }} as lists
    left join taken on lists.user_id = taken.user_id and lists.place = taken.place
    where taken.place is not null or (lists.category_cap is null and lists.brand_cap is null)

)
{%- endmacro %}
