{% macro is_test_run() -%}
    {{ return(execute and flags.WHICH in ('build', 'test')) }}
{%- endmacro %}

{#- A test that reports its rows in its own message needs them before dbt runs the test. -#}
{% macro run_test_query(query) -%}
    {{ return(run_query(query).rows if is_test_run() else []) }}
{%- endmacro %}

{% macro report_rows() -%}
    {%- set query = caller() -%}
    {%- for row in run_test_query(query) -%}
        {%- do report_message(row['message']) -%}
    {%- endfor -%}
    {{ query }}
{%- endmacro %}

{% macro report_message(message) -%}
    {%- if config.get('severity') | lower == 'warn' -%}
        {%- do exceptions.warn(message) -%}
    {%- else -%}
        {%- do exceptions.raise_compiler_error(message) -%}
    {%- endif -%}
{%- endmacro %}
