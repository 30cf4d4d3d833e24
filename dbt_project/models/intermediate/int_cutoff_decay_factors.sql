{{ config(materialized='view') }}

-- noqa: disable=LT02
with half_lives as (

    select
        {% for event_type in event_types() -%}
        max(case when event_type = '{{ event_type }}' then half_life_days end) as {{ event_type }}_days
        {{- ',' if not loop.last }}
        {% endfor %}
    from {{ ref('event_weights') }}

)

select
    cutoffs.cutoff,
    cutoffs.as_of,
    {% for event_type in event_types() -%}
    {{ decay('weight_reference.weight_reference_at', 'cutoffs.as_of', 'half_lives.' ~ event_type ~ '_days') }}
        as {{ event_type }}_decay_factor
    {{- ',' if not loop.last }}
    {% endfor %}
from {{ ref('int_feature_cutoffs') }} as cutoffs
cross join {{ ref('int_weight_reference') }} as weight_reference
cross join half_lives
