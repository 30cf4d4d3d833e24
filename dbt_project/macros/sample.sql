{#- Whether a customer is in the sample of target dev (variable sample_share). The first four digits of a hash of the id
    decide, so that every build has the same customers. Rows without a customer are in every sample. A unit test overrides
    the variable with 1: its customers are in every sample. -#}
{% macro is_in_sample(user_id) -%}
    {%- if var('sample_share') == 1 -%}
        true
    {%- else -%}
        ({{ user_id }} is null or left({{ dbt.hash(user_id) }}, 4) < '{{ '%04x' % ((var('sample_share') * 65536) | int) }}')
    {%- endif -%}
{%- endmacro %}
