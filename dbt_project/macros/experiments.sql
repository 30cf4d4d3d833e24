{#- A number from 0 to 9999. Python computes the same in warehouse/experiments.py. -#}
{% macro experiment_bucket(experiment, purpose, user_id) -%}
    {{ return(adapter.dispatch('experiment_bucket')(experiment, purpose, user_id)) }}
{%- endmacro %}

{#- The syntax of Spark. -#}
{% macro default__experiment_bucket(experiment, purpose, user_id) -%}
    cast(conv(substr(md5(concat({{ experiment }}, '|{{ purpose }}|', {{ user_id }})), 1, 8), 16, 10) as bigint) % 10000
{%- endmacro %}

{% macro duckdb__experiment_bucket(experiment, purpose, user_id) -%}
    cast(concat('0x', substr(md5(concat({{ experiment }}, '|{{ purpose }}|', {{ user_id }})), 1, 8)) as bigint) % 10000
{%- endmacro %}

{% macro share_units(share) -%}
    cast(round({{ share }} * 10000) as {{ dbt.type_int() }})
{%- endmacro %}

{% macro policy_argument(policy, kind) -%}
    case when {{ policy }} like '{{ kind }}:%' then {{ clean_text('substr(' ~ policy ~ ', ' ~ (kind | length + 2) ~ ')') }} end
{%- endmacro %}

{% macro rules_by_rule_set(rules, key) -%}
    select * from (
        select
            rules.*,
            rule_sets.rule_set as applied_rule_set,
            rank() over (
                partition by rule_sets.rule_set, {{ key }}
                order by case when {{ clean_text('rules.rule_set') }} is null then 1 else 0 end
            ) as precedence
        from {{ rules }} as rules
        inner join {{ ref('int_rule_sets') }} as rule_sets
            on coalesce({{ clean_text('rules.rule_set') }}, '') in ('', rule_sets.rule_set)
    ) as applied_rules
    where precedence = 1
{%- endmacro %}
