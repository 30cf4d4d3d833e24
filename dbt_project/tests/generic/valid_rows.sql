{% test valid_rows(model, unique_key=[], not_null=[], accepted_values={}, relationships={}, rules={}) %}
{{ config(description=(
    'The keys of the table are unique, its columns have no missing and only accepted values, its references exist, and its '
    ~ 'rows follow its rules. The message names each broken rule and the number of rows that break it.'
)) }}
{#- Conditions of a broken row by the name of the rule. A row passes a condition that is null. -#}
{%- set conditions = {} -%}
{%- for column in not_null -%}
    {%- do conditions.update({'not_null (' ~ column ~ ')': column ~ ' is null'}) -%}
{%- endfor -%}
{%- for column, values in accepted_values.items() -%}
    {%- set constants = [] -%}
    {%- for value in values -%}
        {%- do constants.append(quote(value)) -%}
    {%- endfor -%}
    {%- do conditions.update({'accepted_values (' ~ column ~ ')': column ~ ' not in (' ~ constants | join(', ') ~ ')'}) -%}
{%- endfor -%}
{%- for name, rule in rules.items() -%}
    {%- do conditions.update({name: 'not (' ~ rule | trim ~ ')'}) -%}
{%- endfor -%}
{%- set unique_keys = [unique_key] if unique_key and unique_key[0] is string else unique_key -%}
with
{%- if conditions %}
row_counts as (

    select
        {%- for condition in conditions.values() %}
        count(case when {{ condition }} then 1 end) as row_count_{{ loop.index }}{{ ',' if not loop.last }}
        {%- endfor %}
    from {{ model }}

),

{%- endif %}
rule_counts as (
    {%- for name in conditions %}
    select {{ quote(name) }} as rule, row_count_{{ loop.index }} as broken_row_count from row_counts
    {{- '\n    union all' if not loop.last or unique_keys or relationships }}
    {%- endfor %}
    {%- for columns in unique_keys %}
    select
        {{ quote('unique (' ~ columns | join(', ') ~ ')') }} as rule,
        cast(coalesce(sum(row_count), 0) as {{ dbt.type_bigint() }}) as broken_row_count
    from (
        select count(*) as row_count from {{ model }}
        group by {{ columns | join(', ') }}
        having count(*) > 1
    ) as repeated_keys
    {{- '\n    union all' if not loop.last or relationships }}
    {%- endfor %}
    {%- for column, parent in relationships.items() %}
    select {{ quote('relationships (' ~ column ~ ')') }} as rule, count(*) as broken_row_count
    from (
        select {{ column }} as value from {{ model }}
        where {{ column }} is not null{{ ' and (' ~ parent.where ~ ')' if parent.where }}
    ) as child_rows
    where not exists (
        select 1 from (select {{ parent.field }} as value from {{ parent.to }}) as parent_rows
        where parent_rows.value = child_rows.value
    )
    {{- '\n    union all' if not loop.last }}
    {%- endfor %}

)

select
    rule,
    broken_row_count,
    concat(
        rule, ' (', broken_row_count, case when broken_row_count = 1 then ' row)' else ' rows)' end
    ) as message
from rule_counts
where broken_row_count > 0
order by broken_row_count desc, rule
{% endtest %}
