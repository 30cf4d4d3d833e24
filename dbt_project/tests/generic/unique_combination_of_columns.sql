{% test unique_combination_of_columns(model, combination_of_columns) %}
{{ config(description='No two rows have equal values in these columns.') }}
select {{ combination_of_columns | join(', ') }}, count(*) as row_count
from {{ model }}
group by {{ combination_of_columns | join(', ') }}
having count(*) > 1
{% endtest %}
