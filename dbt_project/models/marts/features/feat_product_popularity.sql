{% set windows = {'1d': 1, '7d': 7, '28d': 28} %}

with actions as (

    select
        *,
        action_type not in ('purchase', 'return') as is_event
    from {{ ref('int_user_product_actions') }}

),

spine as (

    select
        as_of_name,
        as_of,
        {% for name, days in windows.items() %}
        {{ dbt.dateadd('day', -days, 'as_of') }} as start_{{ name }}{{ ',' if not loop.last }}
        {% endfor %}
    from {{ ref('int_as_of_spine') }}

),

-- Purchases without a customer count here, though they tell nobody's taste.
counted as (

    select
        spine.as_of_name,
        spine.as_of,
        actions.product_id,
        {% for name in windows %}
        count(case when actions.is_event and actions.action_at >= spine.start_{{ name }} then 1 end)
            as event_count_{{ name }},
        count(case when actions.action_type = 'purchase' and actions.action_at >= spine.start_{{ name }} then 1 end)
            as purchase_count_{{ name }},
        {% endfor %}
        count(case when actions.is_event then 1 end) as event_count,
        count(case when actions.action_type = 'purchase' then 1 end) as purchase_count,
        count(case when actions.action_type = 'return' then 1 end) as return_count,
        {{ exact_sum('actions.weight * ' ~ decay('actions.action_at', 'spine.as_of', var('recent_days'))) }}
            as recent_popularity,
        min(actions.action_at) as first_action_at,
        max(actions.action_at) as last_action_at
    from actions
    inner join spine on actions.action_at < spine.as_of
    group by spine.as_of_name, spine.as_of, actions.product_id

),

users as (

    select
        interactions.as_of_name,
        interactions.product_id,
        {% for name in windows %}
        count(case when interactions.last_interaction_at >= spine.start_{{ name }} then 1 end) as user_count_{{ name }},
        {% endfor %}
        count(*) as user_count,
        count(case when interactions.purchase_count > 0 then 1 end) as buyer_count
    from {{ ref('feat_user_product_interactions') }} as interactions
    inner join spine on interactions.as_of_name = spine.as_of_name
    group by interactions.as_of_name, interactions.product_id

),

final as (

    select
        counted.as_of_name,
        counted.as_of,
        counted.product_id,
        {% for name in windows %}
        counted.event_count_{{ name }},
        counted.purchase_count_{{ name }},
        coalesce(users.user_count_{{ name }}, 0) as user_count_{{ name }},
        {% endfor %}
        counted.event_count,
        counted.purchase_count,
        counted.return_count,
        coalesce(users.user_count, 0) as user_count,
        coalesce(users.buyer_count, 0) as buyer_count,
        cast(users.buyer_count as {{ type_double() }}) / users.user_count as conversion,
        counted.recent_popularity,
        counted.first_action_at,
        counted.last_action_at
    from counted
    left join users
        on counted.as_of_name = users.as_of_name
        and counted.product_id = users.product_id

)

select * from final
