{{ config(
    materialized='incremental',
    incremental_strategy='replace_changed_pairs',
    on_schema_change='fail',
    pre_hook="{{ create_changed_pairs(this) }}",
    post_hook="{{ record_day_versions(this) }}",
) }}

{#- A full build reads all actions where it needs them, and groups them twice: whatever is read twice as a CTE is kept first,
    which takes longer. -#}
{% set actions = 'actions_of_changed_pairs' if is_incremental() else ref('int_actions_with_cutoffs') %}

with cutoffs as (

    select * from {{ ref('int_feature_cutoffs') }}

),

{% if is_incremental() -%}
actions_of_changed_pairs as (

    select * from {{ ref('int_actions_with_cutoffs') }}
    where (user_id, product_id) in (
            select changed_pairs.user_id, changed_pairs.product_id
            from {{ changed_pairs_relation(this) }} as changed_pairs
        )

),

{% endif -%}
latest_totals as (

    select
        actions.user_id,
        actions.product_id,
        min(actions.first_visible_cutoff) as first_cutoff_index,
        max(actions.first_visible_cutoff) as from_cutoff_index,
        (select max(all_cutoffs.cutoff_index) + 1 from cutoffs as all_cutoffs) as until_cutoff_index,
        {{ pair_totals('actions') }}
    from {{ actions }} as actions
    where actions.user_id is not null
    group by actions.user_id, actions.product_id

),

-- Most pairs look the same from every instant that sees them at all; only the few others are summed up once more.
changing_pairs as (

    select
        actions.user_id,
        actions.product_id,
        min(actions.first_visible_cutoff) as first_cutoff_index,
        max(actions.first_visible_cutoff) as last_cutoff_index
    from {{ actions }} as actions
    where actions.user_id is not null
    group by actions.user_id, actions.product_id
    having min(actions.first_visible_cutoff) < max(actions.first_visible_cutoff)

),

changing_pair_actions as (

    select
        actions.*,
        changing_pairs.first_cutoff_index,
        changing_pairs.last_cutoff_index
    from {{ actions }} as actions
    inner join changing_pairs
        on actions.user_id = changing_pairs.user_id
        and actions.product_id = changing_pairs.product_id

),

-- Nothing at or after as_of may be seen.
earlier_totals as (

    select
        actions.user_id,
        actions.product_id,
        actions.first_cutoff_index,
        cutoffs.cutoff_index as from_cutoff_index,
        cutoffs.cutoff_index + 1 as until_cutoff_index,
        {{ pair_totals('actions') }}
    from changing_pair_actions as actions
    inner join cutoffs
        on actions.first_visible_cutoff <= cutoffs.cutoff_index
        and actions.last_cutoff_index > cutoffs.cutoff_index
    group by actions.user_id, actions.product_id, actions.first_cutoff_index, cutoffs.cutoff_index

),

final as (

    select * from latest_totals
    union all
    select * from earlier_totals

)

select * from final
