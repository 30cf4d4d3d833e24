{% macro decay(from_time, to_time, half_life_days) -%}
    power(0.5, {{ days_between(from_time, to_time) }} / {{ half_life_days }})
{%- endmacro %}

{% macro event_types() -%}
    {{ return(['view', 'click', 'add_to_cart', 'remove_from_cart', 'purchase']) }}
{%- endmacro %}

{% macro action_counts() -%}
    {%- for action_type in event_types() + ['return'] -%}
        count(case when action_type = '{{ action_type }}' then 1 end) as {{ action_type }}_count
        {{- ',\n        ' if not loop.last }}
    {%- endfor %}
{%- endmacro %}

{% macro affinity_by(attribute) -%}
-- Products with a value of the attribute at the cutoff.
with products as (

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
    from {{ ref('feat_user_product_interactions') }} as interactions
    inner join products
        on interactions.cutoff = products.cutoff
        and interactions.product_id = products.product_id
    group by interactions.cutoff, interactions.as_of, interactions.user_id, products.{{ attribute }}

)

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
{%- endmacro %}

{#- Windows end with the last day before the cutoff. -#}
{% macro is_in_last_days(date_column, length) -%}
    {{ date_column }} > {{ dbt.dateadd('day', -length, 'cutoffs.last_date') }}
{%- endmacro %}
