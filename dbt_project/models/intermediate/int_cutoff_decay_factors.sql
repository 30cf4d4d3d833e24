{{ config(materialized='view') }}

-- noqa: disable=LT02
with cutoffs as (

    select * from {{ ref('int_feature_cutoffs') }}

),

weight_reference as (

    select * from {{ ref('int_weight_reference') }}

),

half_lives as (

    select
        {% for event_type in event_types() -%}
        max(case when event_type = '{{ event_type }}' then half_life_days end) as {{ event_type }}_days
        {{- ',' if not loop.last }}
        {% endfor %}
    from {{ ref('event_weights') }}

),

final as (

    select
        cutoffs.cutoff,
        cutoffs.as_of,
        {% for event_type in event_types() -%}
        {{ decay('weight_reference.weight_reference_at', 'cutoffs.as_of', 'half_lives.' ~ event_type ~ '_days') }}
            as {{ event_type }}_decay_factor
        {{- ',' if not loop.last }}
        {% endfor %}
    from cutoffs
    cross join weight_reference
    cross join half_lives

)

select * from final
