-- A shop without impressions does not say which lists its customers saw. A live list counts as seen on each day on which
-- its customer acted, from the day's first action on.
with impressions as (

    select distinct true as is_measured from {{ ref('int_impressions_classified') }}
    where row_status = 'clean'

),

log_start as (

    select min(published_at) as first_published_at from {{ ref('fct_recommendation_lists') }}

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
left join impressions on true
where impressions.is_measured is null
group by lists.user_id, lists.placement, lists.published_at, actions.action_date
