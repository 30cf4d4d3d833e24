{% test expression_is_true(model, expression) %}
{{ config(description='The expression is true for every row. A row passes when the expression is null.') }}
select *
from {{ model }}
where not ({{ expression }})
{% endtest %}
