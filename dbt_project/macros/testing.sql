{#- Whether the command runs data tests; while dbt parses, compiles or lists the project, no test is run. -#}
{% macro is_test_run() -%}
    {{ return(execute and flags.WHICH in ('build', 'test')) }}
{%- endmacro %}

{#- Rows of a data test's query when the command runs data tests, else none: a test that reports its rows in words of its own
    needs them before dbt runs the test. -#}
{% macro run_test_query(query) -%}
    {{ return(run_query(query).rows if is_test_run() else []) }}
{%- endmacro %}
