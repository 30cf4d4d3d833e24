-- Rules start and end by the calendar, because a campaign does not wait for the shop's data.
select
    rule_id,
    change_number,
    kind,
    scope,
    value,
    min_price,
    max_price,
    max_age_days,
    position,
    factor,
    every,
    max_products,
    after_days,
    max_impressions,
    placements,
    favourite_category,
    rule_set,
    reason,
    {{ today() }} as active_on
from {{ ref('stg_merchandising__rules') }} as rules
where not is_draft and not is_stopped and {{ is_active_on('rules', today()) }}
