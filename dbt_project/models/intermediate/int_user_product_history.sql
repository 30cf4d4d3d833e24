{{ config(
    materialized='incremental',
    incremental_strategy='replace_outdated',
    unique_key=['user_id', 'product_id'],
    on_schema_change='fail',
    meta={'outdated': 'changed_pairs'},
) }}

{#- A table of pairs with their totals at every cutoff would be plainer, but takes 21 CPU seconds in every build, for five
    million actions and three cutoffs. This table takes 11, once. -#}
{#- The view of actions is read three times. DuckDB would store the rows of a CTE that is read more than once, which takes
    longer. -#}
{% set actions = ref('int_actions_with_periods') %}
{% set is_outdated = '(user_id, product_id) in (' ~ changed_pairs(this) ~ ')' if is_incremental() else 'true' %}
{% set counts = event_types() + ['return', 'interaction'] %}

-- noqa: disable=LT02
with latest_totals as (

    select
        user_id,
        product_id,
        max(period_start) as valid_from,
        {{ max_valid_to() }} as valid_to,
        {{ pair_totals() }}
    from {{ actions }}
    where user_id is not null and {{ is_outdated }}
    group by user_id, product_id

),

-- Few pairs have actions in several periods.
returning_pairs as (

    select
        user_id,
        product_id
    from {{ actions }}
    where user_id is not null and {{ is_outdated }}
    group by user_id, product_id
    having min(period_start) < max(period_start)

),

period_totals as (

    select
        user_id,
        product_id,
        period_start,
        {{ pair_totals() }}
    from {{ actions }}
    where
        (user_id, product_id) in (
            select returning_pairs.user_id, returning_pairs.product_id from returning_pairs
        )
    group by user_id, product_id, period_start

),

-- Totals of the actions up to each period.
running_totals as (

    select
        user_id,
        product_id,
        period_start as valid_from,
        lead(period_start) over (partition by user_id, product_id order by period_start) as valid_to,
        {% for weight in event_types() + ['undecayed'] -%}
        cast(sum({{ cast_to_decimal(weight ~ '_weight') }}) over up_to_period as {{ type_double() }})
            as {{ weight }}_weight,
        {% endfor -%}
        {% for count in counts -%}
        cast(sum({{ count }}_count) over up_to_period as {{ dbt.type_bigint() }}) as {{ count }}_count,
        {% endfor -%}
        cast(sum({{ cast_to_decimal('purchased_quantity') }}) over up_to_period as {{ type_double() }})
            as purchased_quantity,
        min(first_interaction_at) over up_to_period as first_interaction_at,
        max(last_interaction_at) over up_to_period as last_interaction_at
    from period_totals
    window up_to_period as (partition by user_id, product_id order by period_start)

),

unioned as (

    select * from latest_totals
    union all
    select * from running_totals
    where valid_to is not null

)

select
    *,
    {{ newest_change() }} as actions_changed_at,
    {{ sql_version() }} as _sql_version
from unioned
