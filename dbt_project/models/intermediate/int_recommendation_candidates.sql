{{ config(materialized='view') }}

with users as (

    select user_id, rule_profile, run_id from {{ ref('int_user_lists') }}
    where has_list

),

user_pins as (

    select
        users.user_id,
        users.rule_profile,
        rules.product_id,
        rules.pinned_position,
        rules.is_pinned_for_category
    from {{ ref('int_product_rules') }} as rules
    inner join users on rules.rule_profile = users.rule_profile
    where rules.pinned_position is not null

),

-- Pins come before all boosted candidates. A pin for the user's favourite category comes first among pins of the same position.
ordered_candidates as (

    select
        user_id,
        rule_profile,
        product_id,
        row_number() over (partition by user_id order by pinned_position, not is_pinned_for_category, product_id)
        - 1000000 as list_order,
        cast(null as {{ dbt.type_bigint() }}) as candidate_rank,
        cast(null as {{ type_double() }}) as score,
        cast(null as {{ dbt.type_string() }}) as reason_product_id
    from user_pins

    union all

    select
        candidates.user_id,
        users.rule_profile,
        candidates.product_id,
        candidates.rank as list_order,
        candidates.rank as candidate_rank,
        candidates.score,
        candidates.reason_product_id
    from {{ ref('stg_ml__candidates') }} as candidates
    -- Users who are gone have no list, and users with popular products have no model.
    inner join users
        on candidates.user_id = users.user_id
        and candidates.run_id = users.run_id
    left join user_pins
        on candidates.user_id = user_pins.user_id
        and candidates.product_id = user_pins.product_id
    where user_pins.product_id is null

)

-- Candidates that are recommendable and that the user may get.
select
    ordered_candidates.user_id,
    case
        when ordered_candidates.candidate_rank is null then ordered_candidates.list_order
        else ordered_candidates.list_order / rules.boost_factor
    end as list_order,
    ordered_candidates.candidate_rank,
    ordered_candidates.product_id,
    rules.category,
    rules.brand,
    rules.category_cap,
    rules.brand_cap,
    case when ordered_candidates.candidate_rank is null then rules.pinned_position end as pinned_position,
    rules.promoted_every,
    ordered_candidates.score,
    ordered_candidates.reason_product_id
from ordered_candidates
inner join {{ ref('int_product_rules') }} as rules
    on ordered_candidates.product_id = rules.product_id
    and ordered_candidates.rule_profile = rules.rule_profile
left join {{ ref('int_user_product_exclusions') }} as exclusions
    on ordered_candidates.user_id = exclusions.user_id
    and ordered_candidates.product_id = exclusions.product_id
where rules.is_recommendable and exclusions.product_id is null
