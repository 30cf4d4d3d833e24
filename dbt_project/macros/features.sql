{#- Days between two timestamps, with fractions. -#}
{% macro days_between(earlier, later) -%}
    {{ dbt.datediff(earlier, later, 'second') }} / 86400.0
{%- endmacro %}

{#- Factor by which a weight decays from the time of an action to as_of, the timestamp of a cutoff. -#}
{% macro decay(happened_at, as_of, half_life_days) -%}
    power(0.5, {{ days_between(happened_at, as_of) }} / {{ half_life_days }})
{%- endmacro %}

{#- Number as a decimal, for sums. A sum of decimals does not depend on the order of rows, which differs between parallel
    runs. So the same rows give the same sum and the same dataset hash. -#}
{% macro cast_to_decimal(expression) -%}
    cast({{ expression }} as decimal(38, 12))
{%- endmacro %}

{#- Aggregate function: sum of a number as a double, the same in every run; 0 if there are no rows. -#}
{% macro exact_sum(expression) -%}
    cast(coalesce(sum({{ cast_to_decimal(expression) }}), 0) as {{ type_double() }})
{%- endmacro %}

{#- Value of a key in a JSON text, as text; null when the key is absent. -#}
{% macro json_text(column, key) -%}
    {{ return(adapter.dispatch('json_text')(column, key)) }}
{%- endmacro %}

{% macro default__json_text(column, key) -%}
    get_json_object({{ column }}, '$.{{ key }}')
{%- endmacro %}

{% macro duckdb__json_text(column, key) -%}
    json_extract_string({{ column }}, '$.{{ key }}')
{%- endmacro %}

{#- Keys and values of a JSON object as text, sorted by key, to compare objects. A text that is not a JSON object stays
    unchanged. -#}
{% macro json_sorted_by_key(column) -%}
    {{ return(adapter.dispatch('json_sorted_by_key')(column)) }}
{%- endmacro %}

{% macro default__json_sorted_by_key(column) -%}
    coalesce(
        cast(array_sort(map_entries(from_json({{ column }}, 'map<string,string>'))) as {{ dbt.type_string() }}),
        {{ column }}
    )
{%- endmacro %}

{#- A text without a comma has at most one key and needs no sorting. -#}
{% macro duckdb__json_sorted_by_key(column) -%}
    case
        when contains({{ column }}, ',') then coalesce(
            cast(list_sort(map_entries(try_cast(try_cast({{ column }} as json) as map(varchar, json)))) as varchar),
            {{ column }}
        )
        else {{ column }}
    end
{%- endmacro %}

{#- JSON object as text without the keys whose value is null; null when no key is left. -#}
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

{#- json_merge_patch removes keys whose value is null. -#}
{% macro duckdb__json_without_nulls(column) -%}
    case
        when contains({{ column }}, 'null') then nullif(
            coalesce(cast(json_merge_patch('{}', try_cast({{ column }} as json)) as varchar), {{ column }}),
            '{}'
        )
        else {{ column }}
    end
{%- endmacro %}

{#- Discount of a hit at this rank (from 1) in the discounted cumulative gain. -#}
{% macro dcg_discount(rank) -%}
    ln(2.0) / ln({{ rank }} + 1.0)
{%- endmacro %}

{#- RecoMart's event types, as in seed event_weights. -#}
{% macro event_types() -%}
    {{ return(['view', 'click', 'add_to_cart', 'remove_from_cart', 'purchase']) }}
{%- endmacro %}

{#- Columns of a select list: <action_type>_count for each action type of a relation. -#}
{% macro action_counts(relation) -%}
    {%- for action_type in event_types() + ['return'] -%}
        count(case when {{ relation }}.action_type = '{{ action_type }}' then 1 end) as {{ action_type }}_count
        {{- ',\n        ' if not loop.last }}
    {%- endfor %}
{%- endmacro %}

{#- Columns of a select list: totals of the actions of a user-product pair, for int_user_product_totals. -#}
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

{#- numerator / denominator as a double; null when the denominator is zero or null. -#}
{% macro safe_divide(numerator, denominator) -%}
    (cast({{ numerator }} as {{ type_double() }}) / nullif({{ denominator }}, 0))
{%- endmacro %}

{#- Day of the week from 0 (Monday) to 6 (Sunday); SQL engines differ in the numbers of weekdays. -#}
{% macro weekday(date_column) -%}
    {#- 2000-01-03 was a Monday. The second modulo makes the result positive for dates before it. -#}
    (({{ dbt.datediff("date '2000-01-03'", date_column, 'day') }} % 7 + 7) % 7)
{%- endmacro %}

{#- Query of a mart: affinity of each user to each category (or brand) at each cutoff, with the product attributes known at
    the cutoff. -#}
{% macro affinity_by(attribute) -%}
with interactions as (

    select * from {{ ref('feat_user_product_interactions') }}

),

-- Products with a value of the attribute at the cutoff.
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
                    sum(case when strength > 0 then {{ cast_to_decimal('strength') }} end) over (
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

{#- Earlier of two timestamps; if one is null, the other one. -#}
{% macro earlier_timestamp(first, second) -%}
    case when {{ first }} <= {{ second }} then {{ first }} else coalesce({{ second }}, {{ first }}) end
{%- endmacro %}

{#- Later of two timestamps; if one is null, the other one. -#}
{% macro later_timestamp(first, second) -%}
    case when {{ first }} >= {{ second }} then {{ first }} else coalesce({{ second }}, {{ first }}) end
{%- endmacro %}

{#- Bucket of a positive number on a scale with doubling steps: n for 2^n up to but not including 2^(n+1). -#}
{% macro log2_bin(column) -%}
    cast(floor(log2({{ column }})) as integer)
{%- endmacro %}

{#- Names of the cutoffs, in the order of cutoff_index in int_feature_cutoffs. -#}
{% macro cutoff_names() -%}
    {{ return(['validation', 'test', 'now']) }}
{%- endmacro %}

{#- Value of the column <column>_<cutoff> for the cutoff of the row; the query needs a relation named cutoffs. -#}
{% macro column_at_cutoff(column) -%}
    case cutoffs.cutoff
        {%- for cutoff in cutoff_names() %}
        when '{{ cutoff }}' then {{ column }}_{{ cutoff }}
        {%- endfor %}
    end
{%- endmacro %}

{#- Query of one row with the first day of each window for each cutoff, in columns window_start_<window>_<cutoff>. The
    last day of a window is last_date of its cutoff. `windows` maps the name of a window to its length in days. -#}
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
