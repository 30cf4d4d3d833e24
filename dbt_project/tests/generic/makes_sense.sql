{% test makes_sense(model, columns, mistakes) %}
{{ config(description='No row can only be a mistake; those that can are said in words, as the file has them.') }}
{% set rows_with_mistakes %}
    select * from (
        select
            concat_ws(','
                {%- for column in columns %},
                coalesce(cast({{ column }} as {{ dbt.type_string() }}), '')
                {%- endfor %}
            ) as line,
            concat_ws('; '
                {%- for words, condition in mistakes.items() %},
                case when {{ condition }} then {{ quote(words) }} end
                {%- endfor %}
            ) as mistakes
        from {{ model }}
    ) as judged
    where mistakes != ''
    order by line
{% endset %}
{% if execute and flags.WHICH in ('build', 'test') %}
    {% set found = run_query(rows_with_mistakes).rows %}
    {% if found %}
        {% set words = [] %}
        {% for row in found %}
            {% do words.append("line '" ~ row[0] ~ "': " ~ row[1]) %}
        {% endfor %}
        {% do exceptions.raise_compiler_error(model.identifier ~ '.csv, ' ~ words | join('; ')) %}
    {% endif %}
{% endif %}
{{ rows_with_mistakes }}
{% endtest %}
