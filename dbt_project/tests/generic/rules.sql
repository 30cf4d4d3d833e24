{% test rules(model, expressions) %}
{{ config(description='Every expression holds for every row; one that is null counts as held.') }}
select
    *,
    concat_ws('; '
        {%- for expression in expressions %},
        case when not ({{ expression }}) then {{ quote(expression) }} end
        {%- endfor %}
    ) as broken_rules
from {{ model }}
where
    {%- for expression in expressions %}
    {{ 'or ' if not loop.first }}not ({{ expression }})
    {%- endfor %}
{% endtest %}
