{#- A number from 0 to 4294967295: the first eight hexadecimal digits of the MD5. -#}
{% macro hash_number(text) -%}
    {{ return(adapter.dispatch('hash_number')(text)) }}
{%- endmacro %}

{#- The syntax of Spark. -#}
{% macro default__hash_number(text) -%}
    cast(conv(substr(md5({{ text }}), 1, 8), 16, 10) as bigint)
{%- endmacro %}

{% macro duckdb__hash_number(text) -%}
    cast(concat('0x', substr(md5({{ text }}), 1, 8)) as bigint)
{%- endmacro %}

{#- A number from 0 to 9999. Python computes the same in warehouse/experiments.py. -#}
{% macro experiment_bucket(experiment, purpose, user_id) -%}
    {{ hash_number("concat(" ~ experiment ~ ", '|" ~ purpose ~ "|', " ~ user_id ~ ")") }} % 10000
{%- endmacro %}

{#- The data of the last day are there, and the day is over. On the last day, data may have no action near midnight. -#}
{% macro has_experiment_ended(ends_on, last_date) -%}
    (
        {{ ends_on }} <= {{ dbt.dateadd('day', 1, last_date) }}
        and {{ ends_on }} <= cast({{ dbt.current_timestamp() }} as date)
    )
{%- endmacro %}

{% macro share_units(share) -%}
    cast(round({{ share }} * 10000) as {{ dbt.type_int() }})
{%- endmacro %}

{% macro run_of_policy(policy) -%}
    case when {{ policy }} like 'model:%' then {{ clean_text('substr(' ~ policy ~ ', 7)') }} end
{%- endmacro %}

{% macro rule_set_of_policy(policy) -%}
    case when {{ policy }} like 'rules:%' then {{ normalized_rule_set('substr(' ~ policy ~ ', 7)') }} end
{%- endmacro %}

{% macro normalized_rule_set(rule_set) -%}
    lower({{ clean_text(rule_set) }})
{%- endmacro %}

{% macro rules_by_rule_set(rules, key) -%}
    select * from (
        select
            rules.*,
            rule_sets.rule_set as applied_rule_set,
            rank() over (
                partition by rule_sets.rule_set, {{ key }}
                order by case when {{ normalized_rule_set('rules.rule_set') }} is null then 1 else 0 end
            ) as precedence
        from {{ rules }} as rules
        inner join {{ ref('int_rule_sets') }} as rule_sets
            on coalesce({{ normalized_rule_set('rules.rule_set') }}, '') in ('', rule_sets.rule_set)
    ) as applied_rules
    where precedence = 1
{%- endmacro %}

{#- The rows of the seed experiments, and those of the demo shop's experiment in demo_experiments.csv beside the database,
    which `recomart demo --days` writes: the demo leaves the seed to its user. -#}
{% macro experiment_rows() -%}
    (
        select name, arm, share, policy, starts_on, ends_on
        from {{ ref('experiments') }}
        {%- for row in read_demo_experiments() %}
        union all
        select
            {{ quote(row['name']) }},
            {{ quote(row['arm']) }},
            {{ row['share'] }},
            {{ quote(row['policy']) }},
            date '{{ row['starts_on'] }}',
            date '{{ row['ends_on'] }}'
        {%- endfor %}
    ) as all_experiments
{%- endmacro %}

{% macro read_demo_experiments() -%}
    {{ return(adapter.dispatch('read_demo_experiments')()) }}
{%- endmacro %}

{% macro default__read_demo_experiments() -%}
    {{ return([]) }}
{%- endmacro %}

{% macro duckdb__read_demo_experiments() -%}
    {%- if not execute -%}
        {{ return([]) }}
    {%- endif -%}
    {%- set file = quote('/'.join(target.path.split('/')[:-1]) ~ '/demo_experiments.csv') -%}
    {#- A missing file is an error for read_csv. -#}
    {%- if run_query('from glob(' ~ file ~ ')').rows | length == 0 -%}
        {{ return([]) }}
    {%- endif -%}
    {%- set query -%}
        from read_csv(
            {{ file }},
            columns = {
                name: 'varchar', arm: 'varchar', share: 'double', policy: 'varchar', starts_on: 'date', ends_on: 'date'
            }
        )
    {%- endset -%}
    {{ return(run_query(query).rows) }}
{%- endmacro %}
