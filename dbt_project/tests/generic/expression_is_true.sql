{% test expression_is_true(model, expression) %}
{{ config(description='The expression is true for every row; a row for which it is null passes.') }}
select *
from {{ model }}
where not ({{ expression }})
{% endtest %}
