{{ config(materialized='view') }}

select
    policies.user_id,
    policies.favourite_category,
    policies.has_list,
    policies.run_id,
    profiles.rule_profile
from {{ ref('int_user_policies') }} as policies
inner join {{ ref('rec_rule_profiles') }} as profiles
    on policies.rule_set = profiles.rule_set
    and policies.segment = profiles.segment
    and profiles.placement = 'home'
