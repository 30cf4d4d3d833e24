{% macro decay(happened_at, as_of, half_life_days) -%}
    power(0.5, {{ days_between(happened_at, as_of) }} / {{ half_life_days }})
{%- endmacro %}

{% macro event_types() -%}
    {{ return(['view', 'click', 'add_to_cart', 'remove_from_cart', 'purchase']) }}
{%- endmacro %}

{% macro action_counts(relation) -%}
    {%- for action_type in event_types() + ['return'] -%}
        count(case when {{ relation }}.action_type = '{{ action_type }}' then 1 end) as {{ action_type }}_count
        {{- ',\n        ' if not loop.last }}
    {%- endfor %}
{%- endmacro %}

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

{% macro cutoff_names() -%}
    {{ return(['validation', 'test', 'now']) }}
{%- endmacro %}

{% macro column_at_cutoff(column) -%}
    case cutoffs.cutoff
        {%- for cutoff in cutoff_names() %}
        when '{{ cutoff }}' then {{ column }}_{{ cutoff }}
        {%- endfor %}
    end
{%- endmacro %}

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
