{{ config(
    materialized='incremental',
    incremental_strategy='replace_changed_pairs',
    on_schema_change='fail',
    pre_hook="{{ find_changed_pairs(this) }}",
    post_hook="{{ record_day_versions(this) }}",
) }}

{#- A full build reads all actions where it needs them, and groups them twice: whatever is read twice as a CTE is kept first,
    which takes longer. -#}
{% set actions = 'actions_of_changed_pairs' if is_incremental() else ref('int_actions_on_spine') %}

with spine as (

    select * from {{ ref('int_as_of_spine') }}

),

{% if is_incremental() -%}
actions_of_changed_pairs as (

    select * from {{ ref('int_actions_on_spine') }}
    where (user_id, product_id) in (
        select changed.user_id, changed.product_id from {{ changed_pairs_of(this) }} as changed
    )

),

{% endif -%}
newest as (

    select
        actions.user_id,
        actions.product_id,
        min(actions.seen_from) as first_position,
        max(actions.seen_from) as from_position,
        (select max(position) + 1 from spine) as until_position,
        {{ pair_totals('actions') }}
    from {{ actions }} as actions
    where actions.user_id is not null
    group by actions.user_id, actions.product_id

),

-- Most pairs look the same from every instant that sees them at all; only the few others are summed up once more.
changing as (

    select
        actions.user_id,
        actions.product_id,
        min(actions.seen_from) as first_position,
        max(actions.seen_from) as last_position
    from {{ actions }} as actions
    where actions.user_id is not null
    group by actions.user_id, actions.product_id
    having min(actions.seen_from) < max(actions.seen_from)

),

their_actions as (

    select
        actions.*,
        changing.first_position,
        changing.last_position
    from {{ actions }} as actions
    inner join changing
        on actions.user_id = changing.user_id
        and actions.product_id = changing.product_id

),

-- Nothing at or after as_of may be seen.
older as (

    select
        actions.user_id,
        actions.product_id,
        actions.first_position,
        spine.position as from_position,
        spine.position + 1 as until_position,
        {{ pair_totals('actions') }}
    from their_actions as actions
    inner join spine
        on actions.seen_from <= spine.position
        and actions.last_position > spine.position
    group by actions.user_id, actions.product_id, actions.first_position, spine.position

),

final as (

    select * from newest
    union all
    select * from older

)

select * from final
