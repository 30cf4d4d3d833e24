{{ config(materialized='view') }}

select
    impressions.user_id,
    impressions.product_id
from {{ ref('feat_user_product_impressions') }} as impressions
inner join {{ ref('int_user_lists') }} as lists on impressions.user_id = lists.user_id
inner join {{ ref('int_product_rules') }} as rules
    on impressions.product_id = rules.product_id
    and lists.rule_profile = rules.rule_profile
where impressions.cutoff = 'now' and impressions.unanswered_count >= rules.max_impressions
