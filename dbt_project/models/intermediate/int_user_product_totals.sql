{{ config(
    materialized='incremental',
    incremental_strategy='replace_changed_pairs',
    on_schema_change='fail',
    pre_hook="{{ create_changed_pairs(this) }}",
    post_hook="{{ record_day_versions(this) }}",
) }}

{#- A full build reads the view of actions directly, twice. DuckDB would first store a CTE that is read twice, which takes
    longer. -#}
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
-- Totals of all actions of a pair. They are valid from the first cutoff at which the pair's last action is visible.
latest_totals as (

    select
        actions.user_id,
        actions.product_id,
        min(actions.first_visible_cutoff) as first_visible_cutoff,
        max(actions.first_visible_cutoff) as valid_from_cutoff_index,
        (select max(all_cutoffs.cutoff_index) + 1 from cutoffs as all_cutoffs) as valid_to_cutoff_index,
        {{ pair_totals('actions') }}
    from {{ actions }} as actions
    where actions.user_id is not null
    group by actions.user_id, actions.product_id

),

-- Pairs with actions between two cutoffs, so that the totals differ by cutoff. These are few: most pairs need no second
-- aggregation.
changing_pairs as (

    select
        actions.user_id,
        actions.product_id,
        min(actions.first_visible_cutoff) as pair_first_visible_cutoff,
        max(actions.first_visible_cutoff) as pair_last_visible_cutoff
    from {{ actions }} as actions
    where actions.user_id is not null
    group by actions.user_id, actions.product_id
    having min(actions.first_visible_cutoff) < max(actions.first_visible_cutoff)

),

changing_pair_actions as (

    select
        actions.*,
        changing_pairs.pair_first_visible_cutoff,
        changing_pairs.pair_last_visible_cutoff
    from {{ actions }} as actions
    inner join changing_pairs
        on actions.user_id = changing_pairs.user_id
        and actions.product_id = changing_pairs.product_id

),

-- Totals of the changing pairs at the cutoffs before the newest totals, from the actions that are visible at each cutoff.
earlier_totals as (

    select
        actions.user_id,
        actions.product_id,
        actions.pair_first_visible_cutoff as first_visible_cutoff,
        cutoffs.cutoff_index as valid_from_cutoff_index,
        cutoffs.cutoff_index + 1 as valid_to_cutoff_index,
        {{ pair_totals('actions') }}
    from changing_pair_actions as actions
    inner join cutoffs
        on actions.first_visible_cutoff <= cutoffs.cutoff_index
        and actions.pair_last_visible_cutoff > cutoffs.cutoff_index
    group by actions.user_id, actions.product_id, actions.pair_first_visible_cutoff, cutoffs.cutoff_index

),

final as (

    select * from latest_totals
    union all
    select * from earlier_totals

)

select * from final
