{{ config(materialized='view') }}

-- Customers who get the same rules: those of one rule set, and of one favourite category if a rule names it.
with customer_groups as (

    select
        rule_sets.rule_set,
        segments.segment
    from {{ ref('int_rule_sets') }} as rule_sets
    cross join (select distinct segment from {{ ref('int_user_segments') }}) as segments

),

matching_rules as (

    select
        placements.placement,
        customer_groups.rule_set,
        customer_groups.segment,
        rules.rule_id,
        rules.kind,
        -- Rules of which a list follows one only: one cap of a category, one pin of a product, one promotion.
        case
            when rules.kind in ('cap', 'repurchase', 'fatigue', 'pin')
                then concat(rules.scope, ' ', coalesce(rules.value, ''))
            when rules.kind = 'promote' then ''
            else rules.rule_id
        end as subject,
        -- Two rules of one precedence contradict each other; the rules store refuses them.
        case when rules.rule_set is not null then 0 else 4 end
        + case when rules.favourite_category is not null then 0 else 2 end
        + case when rules.placements is not null then 0 else 1 end as precedence
    from customer_groups
    cross join {{ ref('placements') }} as placements
    inner join {{ ref('rec_active_rules') }} as rules
        on coalesce(rules.rule_set, '') in ('', customer_groups.rule_set)
        and coalesce(rules.favourite_category, '') in ('', customer_groups.segment)
        and coalesce(rules.placements, concat('"', placements.placement, '"'))
        like concat('%"', placements.placement, '"%')

),

ranked_rules as (

    select
        *,
        rank() over (
            partition by placement, rule_set, segment, kind, subject
            order by precedence, case when kind = 'promote' then rule_id end
        ) as priority
    from matching_rules

)

-- A group without rules has a row without a rule.
select
    placements.placement,
    customer_groups.rule_set,
    customer_groups.segment,
    ranked_rules.rule_id
from customer_groups
cross join {{ ref('placements') }} as placements
left join ranked_rules
    on placements.placement = ranked_rules.placement
    and customer_groups.rule_set = ranked_rules.rule_set
    and customer_groups.segment = ranked_rules.segment
    and ranked_rules.priority = 1
