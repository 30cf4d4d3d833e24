{{ config(
    materialized='incremental',
    incremental_strategy='replace_changed_pairs',
    on_schema_change='fail',
    pre_hook="{{ find_changed_pairs(this) }}",
    post_hook="{{ record_day_versions(this) }}",
) }}

with actions as (

    select * from {{ ref('int_actions_on_spine') }}
    where user_id is not null

),

spine as (

    select * from {{ ref('int_as_of_spine') }}

),

weighed as (

    select
        *,
        weight * {{ decay('action_at', 'weighed_at', 'half_life_days') }} as weight_then
    from actions
    where
        seen_from <= (select max(position) from spine)
        {% if is_incremental() -%}
        and (user_id, product_id) in (select user_id, product_id from {{ changed_pairs_of(this) }})
        {%- endif %}

),

newest as (

    select
        user_id,
        product_id,
        min(seen_from) as first_position,
        max(seen_from) as from_position,
        (select max(position) + 1 from spine) as until_position,
        {{ pair_totals() }}
    from weighed
    group by user_id, product_id

),

-- Most pairs look the same from every instant that sees them at all; only the few others are summed up once more.
changing as (

    select
        user_id,
        product_id,
        first_position,
        from_position
    from newest
    where first_position < from_position

),

-- Nothing at or after as_of may be seen.
older as (

    select
        weighed.user_id,
        weighed.product_id,
        changing.first_position,
        spine.position as from_position,
        spine.position + 1 as until_position,
        {{ pair_totals() }}
    from weighed
    inner join changing
        on weighed.user_id = changing.user_id
        and weighed.product_id = changing.product_id
    inner join spine
        on weighed.seen_from <= spine.position
        and changing.from_position > spine.position
    group by weighed.user_id, weighed.product_id, changing.first_position, spine.position

),

final as (

    select * from newest
    union all
    select * from older

)

select * from final
