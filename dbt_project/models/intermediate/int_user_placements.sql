{{ config(materialized='view') }}

select
    placements.placement,
    placements.list_kind,
    policies.user_id,
    profiles.rule_profile
from {{ ref('int_user_policies') }} as policies
inner join {{ ref('rec_rule_profiles') }} as profiles
    on policies.rule_set = profiles.rule_set
    and policies.segment = profiles.segment
inner join {{ ref('placements') }} as placements on profiles.placement = placements.placement
where
    policies.has_list
    and policies.user_id != {{ anonymous_user_id() }}
    and placements.list_kind in ('home', 'bought', 'viewed')
