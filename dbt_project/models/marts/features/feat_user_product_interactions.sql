{{ config(materialized='view') }}

with totals as (

    select * from {{ ref('int_user_product_totals') }}

),

remainders as (

    select * from {{ ref('int_weight_remainders') }}

),

weighed as (

    select
        remainders.as_of_name,
        remainders.as_of,
        totals.*,
        {% for event_type in event_types() -%}
        {{ '+ ' if not loop.first }}totals.{{ event_type }}_weight * remainders.{{ event_type }}_left
        {% endfor -%}
            as strength
    from totals
    inner join remainders
        on totals.from_position <= remainders.position
        and totals.until_position > remainders.position

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
