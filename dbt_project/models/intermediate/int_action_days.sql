{% set content = [
    '_load_id', '_line', 'action_type', 'action_at', 'weight', 'half_life_days', 'quantity', 'price',
] %}

with actions as (

    select * from {{ ref('int_actions_on_spine') }}

),

final as (

    select
        action_date,
        count(*) as action_count,
        {{ rows_fingerprint(content) }} as content,
        {{ dbt.concat([rows_fingerprint(content + ['seen_from', 'weighed_at']), "'/" ~ var('recent_days') ~ "'"]) }}
            as version
    from actions
    group by action_date

)

select * from final
