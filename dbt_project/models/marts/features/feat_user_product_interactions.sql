{{ config(materialized='view') }}

with totals as (

    select * from {{ ref('int_user_product_totals') }}

),

spine as (

    select * from {{ ref('int_as_of_spine') }}

),

half_lives as (

    select
        {% for event_type in event_types() -%}
        max(case when event_type = '{{ event_type }}' then half_life_days end) as {{ event_type }}_days
        {{- ',' if not loop.last }}
        {% endfor %}
    from {{ ref('event_weights') }}

),

-- What is left at as_of of a weight of one at weighed_at.
remainders as (

    select
        spine.as_of_name,
        spine.position,
        spine.as_of,
        {% for event_type in event_types() -%}
        {{ decay('spine.weighed_at', 'spine.as_of', 'half_lives.' ~ event_type ~ '_days') }} as {{ event_type }}_left
        {{- ',' if not loop.last }}
        {% endfor %}
    from spine
    cross join half_lives

),

weighed as (

    select
        remainders.as_of_name,
        remainders.as_of,
        totals.user_id,
        totals.product_id,
        {% for event_type in event_types() -%}
        {{ '+ ' if not loop.first }}totals.{{ event_type }}_weight * remainders.{{ event_type }}_left
        {% endfor -%}
            as strength,
        totals.interaction_count,
        {% for action_type in event_types() + ['return'] -%}
        totals.{{ action_type }}_count,
        {% endfor -%}
        totals.purchased_quantity,
        totals.first_interaction_at,
        totals.last_interaction_at
    from totals
    inner join remainders on totals.position = remainders.position

),

final as (

    select
        as_of_name,
        as_of,
        user_id,
        product_id,
        strength,
        strength / interaction_count as average_strength,
        interaction_count,
        {% for action_type in event_types() + ['return'] -%}
        {{ action_type }}_count,
        {% endfor -%}
        purchased_quantity,
        first_interaction_at,
        last_interaction_at
    from weighed

)

select * from final
