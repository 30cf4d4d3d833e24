{{ config(materialized='view') }}

-- The ranks follow the boosts of the home list; its boost factor takes them out again.
select
    users.placement,
    users.rule_profile,
    recommendations.user_id,
    recommendations.product_id,
    recommendations.rank * home_rules.boost_factor as list_order,
    recommendations.score,
    case when recommendations.source = 'pinned' then 'popularity' else recommendations.source end as source,
    recommendations.reason_key,
    recommendations.reason_product_id
from {{ ref('int_user_placements') }} as users
inner join {{ ref('rec_top_n') }} as recommendations on users.user_id = recommendations.user_id
inner join {{ ref('int_user_lists') }} as home_lists on users.user_id = home_lists.user_id
inner join {{ ref('int_product_rules') }} as home_rules
    on recommendations.product_id = home_rules.product_id
    and home_lists.rule_profile = home_rules.rule_profile
where users.list_kind = 'home' and recommendations.rank <= {{ var('max_home_candidates') }}
