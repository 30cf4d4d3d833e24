{% macro is_test_run() -%}
    {{ return(execute and flags.WHICH in ('build', 'test')) }}
{%- endmacro %}

{#- A test that reports its rows in its own message needs them before dbt runs the test. -#}
{% macro run_test_query(query) -%}
    {{ return(run_query(query).rows if is_test_run() else []) }}
{%- endmacro %}
