{{ config(
    materialized='incremental',
    incremental_strategy='replace_outdated',
    unique_key=['user_id', 'product_id'],
    on_schema_change='fail',
    meta={'outdated': 'changed_pairs'},
) }}

{#- A table of pairs with their totals at every cutoff would be plainer, but takes 21 CPU seconds in every build, for five
    million actions and three cutoffs. This table is built once; later builds replace the pairs of changed days. -#}
-- noqa: disable=LT02
with period_totals as (

    select
        user_id,
        product_id,
        period_start,
        -- Each event type has its own half-life and therefore its own sum.
        {% for type in event_types() -%}
        sum(
            case when weight_event_type = '{{ type }}' then {{ cast_to_decimal('weight_at_reference') }} else 0 end
        ) as {{ type }}_weight,
        {% endfor -%}
        sum({{ cast_to_decimal('weight') }}) as undecayed_weight,
        {{ action_counts() }},
        count(*) as interaction_count,
        sum({{ cast_to_decimal('coalesce(quantity, 0)') }}) as purchased_quantity,
        min(action_at) as first_interaction_at,
        max(action_at) as last_interaction_at
    from {{ ref('int_actions_with_periods') }}
    where
        user_id is not null
        {% if is_incremental() -%}
        and (user_id, product_id) in ({{ changed_pairs(this) }})
        {%- endif %}
    group by user_id, product_id, period_start

)

select
    user_id,
    product_id,
    period_start as valid_from,
    coalesce(lead(period_start) over up_to_period, {{ max_valid_to() }}) as valid_to,
    {% for weight in event_types() + ['undecayed'] -%}
    cast(sum({{ weight }}_weight) over up_to_period as {{ type_double() }}) as {{ weight }}_weight,
    {% endfor -%}
    {% for count in event_types() + ['return', 'interaction'] -%}
    cast(sum({{ count }}_count) over up_to_period as {{ dbt.type_bigint() }}) as {{ count }}_count,
    {% endfor -%}
    cast(sum(purchased_quantity) over up_to_period as {{ type_double() }}) as purchased_quantity,
    min(first_interaction_at) over up_to_period as first_interaction_at,
    max(last_interaction_at) over up_to_period as last_interaction_at,
    {{ newest_change() }} as actions_changed_at
from period_totals
window up_to_period as (partition by user_id, product_id order by period_start)
