{% test every_value(model, column_name, values) %}
{{ config(description='Each of these values has exactly one row.') }}
with expected as (

    {% for value in values -%}
    select {{ quote(value) }} as value{{ '\n    union all\n' if not loop.last }}
    {% endfor %}
)

select
    expected.value,
    count({{ column_name }}) as row_count
from expected
left join {{ model }} on expected.value = {{ column_name }}
group by expected.value
having count({{ column_name }}) != 1
{% endtest %}
