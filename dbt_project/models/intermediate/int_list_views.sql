-- Without impressions, a shop does not say which lists its customers saw. Until the day of its first impression, a live list
-- counts as seen on each day on which its customer acted, from the day's first action on. An impression before the first list
-- has a wrong time.
with log_start as (

    select min(published_at) as first_published_at from {{ ref('fct_recommendation_lists') }}

),

impressions as (

    select min(cast(impressions.seen_at as date)) as first_seen_date
    from {{ ref('int_impressions_classified') }} as impressions
    inner join log_start on impressions.seen_at >= log_start.first_published_at
    where impressions.row_status = 'clean' and impressions.user_id is not null

),

actions as (

    select
        actions.user_id,
        actions.action_at,
        actions.action_date
    from {{ ref('int_user_product_actions') }} as actions
    inner join log_start on actions.action_at >= log_start.first_published_at
    where actions.action_type != 'return'

)

select
    lists.user_id,
    lists.placement,
    lists.published_at,
    actions.action_date as seen_date,
    min(actions.action_at) as seen_at
from actions
inner join {{ ref('fct_recommendation_lists') }} as lists
    on actions.user_id = lists.user_id
    and actions.action_at >= lists.published_at
    and (lists.live_until is null or actions.action_at < lists.live_until)
cross join impressions
where impressions.first_seen_date is null or actions.action_date < impressions.first_seen_date
group by lists.user_id, lists.placement, lists.published_at, actions.action_date
