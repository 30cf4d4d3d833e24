-- Groups with the same rules have the same profile, named by the ids of its rules.
select
    placement,
    rule_set,
    segment,
    coalesce({{ dbt.listagg('rule_id', "' '", 'order by rule_id') }}, '') as rule_profile
from {{ ref('int_rule_profile_members') }}
group by placement, rule_set, segment
