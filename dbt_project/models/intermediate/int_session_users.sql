with sessions as (

    select distinct session_id from {{ ref('stg_shop__impressions') }}
    where
        user_id is null and session_id is not null
        -- Without sessions in both kinds of feeds, the build need not read all events.
        and {{ 'true' if has_session_impressions() else 'false' }}

)

select
    events.session_id,
    min(events.user_id) as user_id
from {{ ref('stg_shop__events') }} as events
inner join sessions on events.session_id = sessions.session_id
where not events.is_excluded and events.user_id is not null
group by events.session_id
having min(events.user_id) = max(events.user_id)
