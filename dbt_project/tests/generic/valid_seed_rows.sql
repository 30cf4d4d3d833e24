{% test valid_seed_rows(model, columns, invalid_when, required_values={}) %}
{{ config(description=(
    'No row of the seed is invalid and no required row is missing. Messages quote the invalid rows as the file has them.'
)) }}
{#- Columns are read only when the test runs: compile and list may have no database. -#}
{% set existing_columns = columns %}
{% if is_running_nodes() %}
    {% set existing_columns = adapter.get_columns_in_relation(model) | map(attribute='name') | map('lower') | list %}
{% endif %}
{% set missing = columns | reject('in', existing_columns) | join(', ') %}
{% if missing %}
select {{ quote(
    model.identifier ~ '.csv has no column ' ~ missing ~ ". Split at commas, it has the columns '"
    ~ existing_columns | join("', '") ~ "'"
) }} as message
{% else %}
with checked_rows as (

    select
        concat_ws(','
            {%- for column in columns %},
            {#- The database shows whole numbers with a decimal point; files have none. -#}
            regexp_replace(
                coalesce(cast({{ column }} as {{ dbt.type_string() }}), ''),
                '^(-?[0-9]+)[.]0$', '{{ backreference(1) }}'
            )
            {%- endfor %}
        ) as line,
        concat_ws('; '
            {%- for message, condition in invalid_when.items() %},
            case when {{ condition }} then {{ quote(message) }} end
            {%- endfor %}
        ) as messages
    from {{ model }}

),

invalid_rows as (

    select line, messages from checked_rows
    where messages != ''
    {%- for column, values in required_values.items() %}
    {%- for value in values %}

    union all

    select
        cast(null as {{ dbt.type_string() }}) as line,
        {{ quote('there is no line for ' ~ value) }} as messages
    from {{ model }}
    having count(case when {{ column }} = {{ quote(value) }} then 1 end) = 0
    {%- endfor %}
    {%- endfor %}

)

select
    concat(
        {{ quote(model.identifier ~ '.csv, ') }},
        {{ dbt.listagg(
            "concat(case when line is not null then concat('line ''', line, ''': ') else '' end, messages)", "'; '",
            'order by line, messages'
        ) }}
    ) as message
from invalid_rows
having count(*) > 0
{% endif %}
{% endtest %}
