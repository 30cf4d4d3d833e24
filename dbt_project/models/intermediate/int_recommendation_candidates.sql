{{ config(materialized='view') }}

with users as (

    select user_id, favourite_category, rule_set, run_id from {{ ref('int_user_policies') }}
    where has_list

),

-- A product can have a pin for all users and one for the user's favourite category. It is for all users only without the
-- latter, which comes first among pins of the same position.
user_pins as (

    select
        users.user_id,
        users.rule_set,
        pins.product_id,
        min(pins.position) as pinned_position,
        count(pins.favourite_category) = 0 as is_for_all_users
    from {{ ref('int_active_pins') }} as pins
    inner join users
        on pins.rule_set = users.rule_set
        and (pins.favourite_category is null or pins.favourite_category = users.favourite_category)
    group by users.user_id, users.rule_set, pins.product_id

),

-- Pins have list_order 0 and below, candidates 1 and above, so that pins come first.
ordered_candidates as (

    select
        user_id,
        rule_set,
        product_id,
        row_number() over (partition by user_id order by pinned_position, is_for_all_users, product_id)
        - count(*) over (partition by user_id) as list_order,
        pinned_position,
        cast(null as {{ type_double() }}) as score,
        cast(null as {{ dbt.type_string() }}) as reason_product_id
    from user_pins

    union all

    select
        candidates.user_id,
        users.rule_set,
        candidates.product_id,
        candidates.rank as list_order,
        cast(null as {{ dbt.type_int() }}) as pinned_position,
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
    ordered_candidates.list_order,
    ordered_candidates.product_id,
    rules.category,
    rules.brand,
    rules.category_cap,
    rules.brand_cap,
    ordered_candidates.pinned_position,
    ordered_candidates.score,
    ordered_candidates.reason_product_id
from ordered_candidates
inner join {{ ref('int_product_rules') }} as rules
    on ordered_candidates.product_id = rules.product_id
    and ordered_candidates.rule_set = rules.rule_set
left join {{ ref('int_user_product_exclusions') }} as exclusions
    on ordered_candidates.user_id = exclusions.user_id
    and ordered_candidates.product_id = exclusions.product_id
where rules.is_recommendable and exclusions.product_id is null
