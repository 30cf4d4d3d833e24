{% test unbroken_periods(model, key) %}
{{ config(description='The periods of a key, from valid_from up to but not with valid_to, follow each other without overlap or gap, and exactly the last one is current.') }}
with followed as (

    select
        *,
        lead(valid_from) over (partition by {{ key }} order by valid_from) as next_valid_from
    from {{ model }}

)

select *
from followed
where
    valid_from >= valid_to
    or valid_to != coalesce(next_valid_from, {{ max_valid_to() }})
    or is_current != (next_valid_from is null)
{% endtest %}
