{#- Whether the dbt command runs data tests; parse, compile and list do not. -#}
{% macro is_test_run() -%}
    {{ return(execute and flags.WHICH in ('build', 'test')) }}
{%- endmacro %}

{#- Rows of a data test's query; none when the command runs no data tests. A test that reports its rows in its own message
    needs them before dbt runs the test. -#}
{% macro run_test_query(query) -%}
    {{ return(run_query(query).rows if is_test_run() else []) }}
{%- endmacro %}
