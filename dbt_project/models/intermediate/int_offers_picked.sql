{{ config(materialized='view') }}

with recursive users as (

    select user_id, favourite_category from {{ ref('dim_users') }}
    union all
    select {{ stranger() }} as user_id, null as favourite_category

),

rules as (

    select * from {{ ref('rec_product_rules') }}
    where is_offered

),

withheld as (

    select user_id, product_id from {{ ref('int_products_withheld') }}

),

serving_run as (

    select run_id from {{ source('ml', 'model_runs') }}
    where is_serving

),

candidates as (

    select candidates.*
    from {{ source('ml', 'candidates') }} as candidates
    inner join serving_run on candidates.run_id = serving_run.run_id
    inner join users on candidates.user_id = users.user_id

),

pinned as (

    select
        users.user_id,
        pins.product_id,
        min(pins.position) as pinned_position,
        min(case when pins.favourite_category is null then 1 else 0 end) as is_for_everybody
    from {{ ref('int_pins_in_force') }} as pins
    inner join users
        on pins.favourite_category is null
        or pins.favourite_category = users.favourite_category
    group by users.user_id, pins.product_id

),

-- Candidates have their places from 1 on, pins theirs from 0 down: these come first.
wished as (

    select
        user_id,
        product_id,
        row_number() over (partition by user_id order by pinned_position, is_for_everybody, product_id)
        - count(*) over (partition by user_id) as place,
        pinned_position,
        cast(null as {{ type_double() }}) as score,
        cast(null as {{ dbt.type_string() }}) as reason_product_id
    from pinned

    union all

    select
        candidates.user_id,
        candidates.product_id,
        candidates.rank as place,
        cast(null as {{ dbt.type_int() }}) as pinned_position,
        candidates.score,
        candidates.reason_product_id
    from candidates
    left join pinned
        on candidates.user_id = pinned.user_id
        and candidates.product_id = pinned.product_id
    where pinned.product_id is null

),

allowed as (

    select
        wished.*,
        rules.category,
        rules.brand,
        rules.category_cap,
        rules.brand_cap
    from wished
    inner join rules on wished.product_id = rules.product_id
    left join withheld
        on wished.user_id = withheld.user_id
        and wished.product_id = withheld.product_id
    where withheld.product_id is null

),

{{ kept_by_caps('allowed') }},

numbered as (

    select
        user_id,
        row_number() over (partition by user_id order by place) as pick_number,
        product_id,
        category,
        brand,
        category_cap,
        brand_cap,
        pinned_position,
        score,
        reason_product_id
    from kept

),

final as (

    select * from numbered
    where pick_number <= {{ var('top_n') }}

)

select * from final
