{{ config(
    materialized='incremental',
    incremental_strategy='replace_changed_pairs',
    on_schema_change='fail',
    post_hook="{{ record_day_versions(this) }}",
) }}

with actions as (

    select * from {{ ref('int_actions_on_spine') }}
    where user_id is not null

),

spine as (

    select * from {{ ref('int_as_of_spine') }}

),

{% if is_incremental() -%}
pairs as (

    {{ changed_pairs(this) | indent(4) }}

),

{% endif -%}
weighed as (

    select
        *,
        weight * {{ decay('action_at', 'weighed_at', 'half_life_days') }} as weight_then
    from actions
    {% if is_incremental() -%}
    where (user_id, product_id) in (select user_id, product_id from pairs)
    {%- endif %}

),

-- Nothing at or after as_of may be seen.
final as (

    select
        spine.position,
        weighed.user_id,
        weighed.product_id,
        {% for event_type in event_types() -%}
        {{ exact_sum("case when weighed.weighed_as = '" ~ event_type ~ "' then weighed.weight_then end") }}
            as {{ event_type }}_weight,
        {% endfor -%}
        {{ action_counts('weighed') }},
        count(*) as interaction_count,
        {{ exact_sum('weighed.quantity') }} as purchased_quantity,
        min(weighed.action_at) as first_interaction_at,
        max(weighed.action_at) as last_interaction_at
    from weighed
    inner join spine on weighed.seen_from <= spine.position
    group by spine.position, weighed.user_id, weighed.product_id

)

select * from final
