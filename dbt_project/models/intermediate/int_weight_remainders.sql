{{ config(materialized='view') }}

with spine as (

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

final as (

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

)

select * from final
