{% macro row_date(timestamp_column) -%}
    coalesce(cast({{ timestamp_column }} as date), date '0001-01-01')
{%- endmacro %}

{% macro days_between(earlier, later) -%}
    {{ dbt.datediff(earlier, later, 'second') }} / 86400.0
{%- endmacro %}

{#- SQL engines differ in the numbers of weekdays. -#}
{% macro weekday(date_column) -%}
    {#- 2000-01-03 was a Monday. The second modulo makes the result positive for dates before it. -#}
    (({{ dbt.datediff("date '2000-01-03'", date_column, 'day') }} % 7 + 7) % 7)
{%- endmacro %}

{% macro date_series(first_date, last_date) -%}
    {{ return(adapter.dispatch('date_series')(first_date, last_date)) }}
{%- endmacro %}

{% macro default__date_series(first_date, last_date) -%}
    explode(sequence({{ first_date }}, {{ last_date }}, interval 1 day))
{%- endmacro %}

{% macro duckdb__date_series(first_date, last_date) -%}
    cast(unnest(generate_series({{ first_date }}, {{ last_date }}, interval 1 day)) as date)
{%- endmacro %}
