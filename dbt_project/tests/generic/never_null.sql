{% test never_null(model, columns) %}
{{ config(description='None of these columns is ever null.') }}
select *
from {{ model }}
where {{ columns | join(' is null or ') }} is null
{% endtest %}
