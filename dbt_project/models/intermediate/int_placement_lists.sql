{%- set list_key = 'placement, rule_profile, user_id, list_product_id, list_category' %}

with candidates as (

    select * from {{ ref('int_placement_candidates') }}
    union all
    select * from {{ ref('int_placement_pins') }}

),

-- The order of the home list: of pins of one position, one for the favourite category comes first.
pin_ranks as (

    select
        rule_profile,
        product_id,
        row_number() over (
            partition by rule_profile
            order by pinned_position, not is_pinned_for_category, product_id
        ) as pin_rank
    from {{ ref('int_product_rules') }}
    where pinned_position is not null

),

-- Pins come before all boosted candidates.
recommendable as (

    select
        candidates.placement,
        candidates.rule_profile,
        candidates.user_id,
        candidates.list_product_id,
        candidates.list_category,
        candidates.product_id,
        candidates.score,
        candidates.source,
        candidates.reason_key,
        candidates.reason_product_id,
        rules.category,
        rules.brand,
        case
            when rules.category is not null and placements.max_per_category < coalesce(rules.category_cap, 1000000)
                then placements.max_per_category
            else rules.category_cap
        end as category_cap,
        rules.brand_cap,
        rules.pinned_position,
        rules.promoted_every,
        placements.list_length,
        candidates.list_order as candidate_rank,
        case
            when pin_ranks.pin_rank is null then candidates.list_order / rules.boost_factor
            else pin_ranks.pin_rank - 1000000
        end as list_order
    from candidates
    inner join {{ ref('placements') }} as placements on candidates.placement = placements.placement
    inner join {{ ref('int_product_rules') }} as rules
        on candidates.rule_profile = rules.rule_profile
        and candidates.product_id = rules.product_id
    left join pin_ranks
        on candidates.rule_profile = pin_ranks.rule_profile
        and candidates.product_id = pin_ranks.product_id
    left join {{ ref('int_user_product_exclusions') }} as exclusions
        on candidates.user_id = exclusions.user_id
        and candidates.product_id = exclusions.product_id
    where
        rules.is_recommendable
        and exclusions.product_id is null
        and candidates.product_id != coalesce(candidates.list_product_id, '')

),

{{ apply_caps('recommendable', list_key) }},

-- apply_caps ends in within_caps.
{{ apply_promotions('within_caps', list_key) }},

-- group_rank numbers the pins of a list from 1, and its other products from 1.
group_ranks as (

    select
        *,
        pinned_position is not null as is_pinned,
        row_number() over (
            partition by {{ list_key }}, pinned_position is not null
            order by promoted_rank
        ) as group_rank
    from promoted_lists

),

{{ apply_pins('group_ranks', list_key) }}

-- apply_pins ends in pinned_lists.
select
    placement,
    rule_profile,
    user_id,
    list_product_id,
    list_category,
    cast(pinned_rank as integer) as rank,
    product_id,
    score,
    case when is_pinned then 'pinned' else source end as source,
    case when is_pinned then 'pinned' else reason_key end as reason_key,
    case when is_pinned then null else reason_product_id end as reason_product_id,
    is_promoted
from pinned_lists
where pinned_rank <= coalesce(list_length, {{ var('top_n') }})
