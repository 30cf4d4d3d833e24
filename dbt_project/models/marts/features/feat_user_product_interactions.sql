{{ config(materialized='view') }}

with totals as (

    select * from {{ ref('int_user_product_totals') }}

),

decay_factors as (

    select * from {{ ref('int_cutoff_decay_factors') }}

),

decayed as (

    select
        decay_factors.cutoff,
        decay_factors.as_of,
        totals.*,
        {% for event_type in event_types() -%}
        {{ '+ ' if not loop.first }}totals.{{ event_type }}_weight * decay_factors.{{ event_type }}_decay_factor
        {% endfor -%}
            as strength
    from totals
    inner join decay_factors
        on totals.valid_from_cutoff_index <= decay_factors.cutoff_index
        and totals.valid_to_cutoff_index > decay_factors.cutoff_index

),

final as (

    select
        cutoff,
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
    from decayed

)

select * from final
