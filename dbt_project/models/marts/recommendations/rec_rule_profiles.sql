{% set max_name_length = 1000 %}

with profiles as (

    select
        placement,
        rule_set,
        segment,
        coalesce({{ dbt.listagg('rule_id', "' '", 'order by rule_id') }}, '') as rule_ids
    from {{ ref('int_rule_profile_members') }}
    group by placement, rule_set, segment

)

-- Groups with the same rules have the same profile, named by the ids of its rules. Every row of the lists has the name, so
-- the ids of thousands of rules would fill the memory.
select
    placement,
    rule_set,
    segment,
    case
        when length(rule_ids) <= {{ max_name_length }} then rule_ids
        else {{ dbt.hash('rule_ids') }}
    end as rule_profile
from profiles
