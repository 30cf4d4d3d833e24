{% test valid_seed_rows(model, columns, mistakes, needed={}) %}
{{ config(description='No row can only be a mistake, and none that is needed is missing; those that can are said in words, as the file has them.') }}
{% set rows_with_mistakes %}
    with judged as (

        select
            concat_ws(','
                {%- for column in columns %},
                {#- Files have whole numbers without a point. -#}
                regexp_replace(
                    coalesce(cast({{ column }} as {{ dbt.type_string() }}), ''),
                    '^(-?[0-9]+)[.]0$', '{{ backreference(1) }}'
                )
                {%- endfor %}
            ) as line,
            concat_ws('; '
                {%- for words, condition in mistakes.items() %},
                case when {{ condition }} then {{ quote(words) }} end
                {%- endfor %}
            ) as mistakes
        from {{ model }}

    ),

    found as (

        select line, mistakes from judged
        where mistakes != ''
        {%- for column, values in needed.items() %}
        {%- for value in values %}

        union all

        select
            cast(null as {{ dbt.type_string() }}) as line,
            {{ quote('there is no line for ' ~ value) }} as mistakes
        from {{ model }}
        having count(case when {{ column }} = {{ quote(value) }} then 1 end) = 0
        {%- endfor %}
        {%- endfor %}

    )

    select line, mistakes from found
    order by line, mistakes
{% endset %}
{% if execute and flags.WHICH in ('build', 'test') %}
    {% set found = adapter.get_columns_in_relation(model) | map(attribute='name') | map('lower') | list %}
    {% set missing = columns | reject('in', found) | join(', ') %}
    {% if missing %}
        {% do exceptions.raise_compiler_error(
            model.identifier ~ '.csv has no column ' ~ missing ~ "; parted by commas, its columns are '"
            ~ found | join("', '") ~ "'"
        ) %}
    {% endif %}
    {% set words = [] %}
    {% for row in run_query(rows_with_mistakes).rows %}
        {% do words.append(("line '" ~ row['line'] ~ "': " if row['line'] is not none) ~ row['mistakes']) %}
    {% endfor %}
    {% set said = model.identifier ~ '.csv, ' ~ words | join('; ') %}
    {% if words and config.get('severity') | lower == 'warn' %}
        {% do exceptions.warn(said) %}
    {% elif words %}
        {% do exceptions.raise_compiler_error(said) %}
    {% endif %}
{% endif %}
{{ rows_with_mistakes }}
{% endtest %}
