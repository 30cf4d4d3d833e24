{{ config(materialized='view') }}

select distinct
    placements.placement,
    placements.list_kind,
    profiles.rule_profile
from {{ ref('placements') }} as placements
inner join {{ ref('rec_rule_profiles') }} as profiles on placements.placement = profiles.placement
