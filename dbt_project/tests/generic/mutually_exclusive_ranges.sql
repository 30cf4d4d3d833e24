{% test mutually_exclusive_ranges(model, lower_bound_column, upper_bound_column, partition_by, gaps='allowed') %}
{{ config(description='The ranges of a partition, from the lower bound up to but not including the upper bound, have a positive length and do not overlap. With gaps not_allowed, each range begins at the end of the previous one.') }}
with ranges as (

    select
        *,
        lead({{ lower_bound_column }}) over (partition by {{ partition_by }} order by {{ lower_bound_column }})
            as next_lower_bound
    from {{ model }}

)

select *
from ranges
where
    {{ lower_bound_column }} >= {{ upper_bound_column }}
    or {{ upper_bound_column }} {{ '!=' if gaps == 'not_allowed' else '>' }} next_lower_bound
{% endtest %}
