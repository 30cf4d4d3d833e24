{{ config(materialized='view') }}

with users as (

    select user_id, favourite_category from {{ ref('dim_users') }}
    union all
    select {{ anonymous_user_id() }} as user_id, null as favourite_category

),

-- Favourite categories that a rule names.
segments as (

    select distinct favourite_category as segment from {{ ref('rec_active_rules') }}
    where favourite_category is not null

)

select
    users.user_id,
    users.favourite_category,
    coalesce(segments.segment, '') as segment
from users
left join segments on users.favourite_category = segments.segment
