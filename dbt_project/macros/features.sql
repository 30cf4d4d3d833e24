{#- Days from one instant to a later one, with fractions. -#}
{% macro days_between(earlier, later) -%}
    {{ dbt.datediff(earlier, later, 'second') }} / 86400.0
{%- endmacro %}

{#- What is left at as_of of something that halves every half_life_days. -#}
{% macro decay(happened_at, as_of, half_life_days) -%}
    power(0.5, {{ days_between(happened_at, as_of) }} / {{ half_life_days }})
{%- endmacro %}

{#- A number to be summed. Sums of decimals do not depend on the order of the rows, which is another in every parallel
    run: the same rows give the same bits, hence the same dataset hash. -#}
{% macro as_decimal(expression) -%}
    cast({{ expression }} as decimal(38, 12))
{%- endmacro %}

{#- Aggregate: the sum as a double, the same in every run. -#}
{% macro exact_sum(expression) -%}
    cast(coalesce(sum({{ as_decimal(expression) }}), 0) as {{ type_double() }})
{%- endmacro %}

{#- The value of a key in a JSON text, as text; null when the key is absent. -#}
{% macro json_text(column, key) -%}
    {{ return(adapter.dispatch('json_text')(column, key)) }}
{%- endmacro %}

{% macro default__json_text(column, key) -%}
    get_json_object({{ column }}, '$.{{ key }}')
{%- endmacro %}

{% macro duckdb__json_text(column, key) -%}
    json_extract_string({{ column }}, '$.{{ key }}')
{%- endmacro %}

{#- A JSON object as a text that is the same whatever the order of its keys; what is no object stays as it is. -#}
{% macro json_sorted_by_key(column) -%}
    {{ return(adapter.dispatch('json_sorted_by_key')(column)) }}
{%- endmacro %}

{% macro default__json_sorted_by_key(column) -%}
    coalesce(
        cast(array_sort(map_entries(from_json({{ column }}, 'map<string,string>'))) as {{ dbt.type_string() }}),
        {{ column }}
    )
{%- endmacro %}

{#- Without a comma there is no second key, and nothing to sort. -#}
{% macro duckdb__json_sorted_by_key(column) -%}
    case
        when contains({{ column }}, ',') then coalesce(
            cast(list_sort(map_entries(try_cast(try_cast({{ column }} as json) as map(varchar, json)))) as varchar),
            {{ column }}
        )
        else {{ column }}
    end
{%- endmacro %}

{#- A JSON object as a text without the keys whose value is null, or null when no other is left. -#}
{% macro json_without_nulls(column) -%}
    {{ return(adapter.dispatch('json_without_nulls')(column)) }}
{%- endmacro %}

{% macro default__json_without_nulls(column) -%}
    case
        when {{ column }} like '%null%' then nullif(
            coalesce(
                to_json(map_filter(from_json({{ column }}, 'map<string,string>'), (key, value) -> value is not null)),
                {{ column }}
            ),
            '{}'
        )
        else {{ column }}
    end
{%- endmacro %}

{#- A merge patch drops the keys that it gives no value. -#}
{% macro duckdb__json_without_nulls(column) -%}
    case
        when contains({{ column }}, 'null') then nullif(
            coalesce(cast(json_merge_patch('{}', try_cast({{ column }} as json)) as varchar), {{ column }}),
            '{}'
        )
        else {{ column }}
    end
{%- endmacro %}

{#- The say of a hit at this 1-based rank in a discounted cumulative gain. -#}
{% macro dcg_discount(rank) -%}
    ln(2.0) / ln({{ rank }} + 1.0)
{%- endmacro %}

{#- Our event types, as in seed event_weights. -#}
{% macro event_types() -%}
    {{ return(['view', 'click', 'add_to_cart', 'remove_from_cart', 'purchase']) }}
{%- endmacro %}

{#- Columns of a select list: <action_type>_count for every action type, of a relation with action_type. -#}
{% macro action_counts(relation) -%}
    {%- for action_type in event_types() + ['return'] -%}
        count(case when {{ relation }}.action_type = '{{ action_type }}' then 1 end) as {{ action_type }}_count
        {{- ',\n        ' if not loop.last }}
    {%- endfor %}
{%- endmacro %}

{#- Columns of a select list: what int_user_product_totals sums up of a pair's actions. -#}
{% macro pair_totals(actions) -%}
    {% for event_type in event_types() -%}
        {%- set is_of_type = actions ~ '.weight_event_type = ' ~ quote(event_type) %}
        {{ exact_sum('case when ' ~ is_of_type ~ ' then ' ~ actions ~ '.weight_at_reference end') }}
            as {{ event_type }}_weight,
        {% endfor -%}
        {{ exact_sum(actions ~ '.weight') }} as undecayed_weight,
        {{ action_counts(actions) }},
        count(*) as interaction_count,
        {{ exact_sum(actions ~ '.quantity') }} as purchased_quantity,
        min({{ actions }}.action_at) as first_interaction_at,
        max({{ actions }}.action_at) as last_interaction_at
{%- endmacro %}

{#- One number as a share of another; null when the other is zero or unknown. -#}
{% macro share(part, whole) -%}
    (cast({{ part }} as {{ type_double() }}) / nullif({{ whole }}, 0))
{%- endmacro %}

{#- Day of the week from 0 (Monday) to 6 (Sunday); engines number them differently. -#}
{% macro weekday(date_column) -%}
    {#- 2000-01-03 was a Monday; what lies before it counts backwards. -#}
    (({{ dbt.datediff("date '2000-01-03'", date_column, 'day') }} % 7 + 7) % 7)
{%- endmacro %}

{#- The query of a mart: how much each customer likes each category (or brand), as of each cutoff. The facts
    of the products are those that the shop had told by then. -#}
{% macro affinity_by(attribute) -%}
with interactions as (

    select * from {{ ref('feat_user_product_interactions') }}

),

products as (

    select cutoff, product_id, {{ attribute }} from {{ ref('ml_product_features') }}
    where {{ attribute }} is not null

),

strength_by_attribute as (

    select
        interactions.cutoff,
        interactions.as_of,
        interactions.user_id,
        products.{{ attribute }},
        {{ exact_sum('interactions.strength') }} as strength,
        cast(sum(interactions.interaction_count) as {{ dbt.type_bigint() }}) as interaction_count,
        cast(sum(interactions.purchase_count) as {{ dbt.type_bigint() }}) as purchase_count,
        count(*) as product_count,
        max(interactions.last_interaction_at) as last_interaction_at
    from interactions
    inner join products
        on interactions.cutoff = products.cutoff
        and interactions.product_id = products.product_id
    group by interactions.cutoff, interactions.as_of, interactions.user_id, products.{{ attribute }}

),

final as (

    select
        cutoff,
        as_of,
        user_id,
        {{ attribute }},
        strength,
        case
            when strength > 0
                then strength / cast(
                    sum(case when strength > 0 then {{ as_decimal('strength') }} end) over (
                        partition by cutoff, user_id
                    ) as {{ type_double() }}
                )
        end as affinity,
        interaction_count,
        purchase_count,
        product_count,
        last_interaction_at
    from strength_by_attribute

)

select * from final
{%- endmacro %}

{#- The earlier (later) of two instants, of which one may be unknown. -#}
{% macro earlier_timestamp(one, other) -%}
    case when {{ one }} <= {{ other }} then {{ one }} else coalesce({{ other }}, {{ one }}) end
{%- endmacro %}

{% macro later_timestamp(one, other) -%}
    case when {{ one }} >= {{ other }} then {{ one }} else coalesce({{ other }}, {{ one }}) end
{%- endmacro %}

{#- The step of a positive number on a scale whose steps double: n for 2^n up to, not including, 2^(n+1). -#}
{% macro log2_bucket(column) -%}
    cast(floor(log2({{ column }})) as integer)
{%- endmacro %}

{#- Names of the cutoffs, as in int_feature_cutoffs. -#}
{% macro cutoff_names() -%}
    {{ return(['validation', 'test', 'now']) }}
{%- endmacro %}

{#- Of columns <column>_<instant> that stand side by side, the one of the row's instant, told by cutoffs.cutoff. -#}
{% macro at_cutoff(column) -%}
    case cutoffs.cutoff
        {%- for cutoff in cutoff_names() %}
        when '{{ cutoff }}' then {{ column }}_{{ cutoff }}
        {%- endfor %}
    end
{%- endmacro %}

{#- A query of one row: the first day of windows that end with the last day of an instant, for every cutoff side
    by side. `windows` says how many days each one has, by name. -#}
{% macro window_starts(windows) -%}
select
    {% for name, length in windows.items() -%}
    {%- set outer_loop = loop -%}
    {% for cutoff in cutoff_names() -%}
    max(
        case when cutoff = '{{ cutoff }}' then cast({{ dbt.dateadd('day', 1 - length, 'last_date') }} as date) end
    ) as window_start_{{ name }}_{{ cutoff }}{{ ',' if not (loop.last and outer_loop.last) }}
    {% endfor -%}
    {% endfor %}
from {{ ref('int_feature_cutoffs') }}
{%- endmacro %}
