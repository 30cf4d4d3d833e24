{{ config(materialized='view') }}

with decayed as (

    select
        decay_factors.cutoff,
        decay_factors.as_of,
        history.*,
        {% for event_type in event_types() -%}
        {{ '+ ' if not loop.first }}history.{{ event_type }}_weight * decay_factors.{{ event_type }}_decay_factor
        {% endfor -%}
            as strength
    from {{ ref('int_user_product_history') }} as history
    inner join {{ ref('int_cutoff_decay_factors') }} as decay_factors
        on {{ known_as_of('history', 'decay_factors.as_of') }}

)

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
