{{ config(materialized='view') }}

-- Products that customers saw in a list. Of a shop with impressions, what its front end says; of another shop, the products
-- of the lists in int_list_views.
with measured as (

    select
        impressions.user_id,
        impressions.session_id,
        impressions.product_id,
        coalesce({{ declared_placement('impressions.placement') }}, served.placement, lists.placement) as placement,
        coalesce(
            {{ list_rank('served.product_ids', 'impressions.product_id') }},
            {{ list_rank('lists.product_ids', 'impressions.product_id') }},
            impressions.position
        ) as rank,
        impressions.seen_at,
        impressions.recommendation_id,
        case when served.recommendation_id is null then lists.experiment else served.experiment end as experiment,
        case when served.recommendation_id is null then lists.arm else served.arm end as arm,
        case when served.recommendation_id is null then lists.run_id else served.run_id end as run_id,
        {{ list_item('lists.sources', list_rank('lists.product_ids', 'impressions.product_id')) }} as source,
        {{ list_item('lists.reason_keys', list_rank('lists.product_ids', 'impressions.product_id')) }} as reason_key
    from {{ ref('int_impressions_classified') }} as impressions
    -- An id of another customer's answer is wrong.
    left join {{ ref('fct_served_lists') }} as served
        on impressions.recommendation_id = served.recommendation_id
        and coalesce(impressions.user_id, '') = coalesce(served.user_id, impressions.user_id, '')
    left join {{ ref('fct_recommendation_lists') }} as lists
        on impressions.user_id = lists.user_id
        and impressions.seen_at >= lists.published_at
        and (lists.live_until is null or impressions.seen_at < lists.live_until)
        -- An answer with other products at these ranks is not the live list.
        and (
            served.recommendation_id is null
            or (
                {{ list_item('served.product_ids', 1) }} = {{ list_item('lists.product_ids', 1) }}
                and {{ list_rank('served.product_ids', 'impressions.product_id') }}
                = {{ list_rank('lists.product_ids', 'impressions.product_id') }}
            )
        )
    where impressions.row_status = 'clean' and {{ is_in_sample('impressions.user_id') }}

),

viewed_lists as (

    select
        lists.*,
        views.seen_at,
        {{ list_ranks('lists.product_ids') }} as rank
    from {{ ref('int_list_views') }} as views
    inner join {{ ref('fct_recommendation_lists') }} as lists
        on views.user_id = lists.user_id
        and views.placement = lists.placement
        and views.published_at = lists.published_at

)

select
    user_id,
    session_id,
    product_id,
    placement,
    cast(rank as {{ dbt.type_int() }}) as rank,
    seen_at,
    'measured' as basis,
    recommendation_id,
    experiment,
    arm,
    run_id,
    source,
    reason_key
from measured

union all

select
    user_id,
    cast(null as {{ dbt.type_string() }}) as session_id,
    {{ list_item('product_ids', 'rank') }} as product_id,
    placement,
    cast(rank as {{ dbt.type_int() }}) as rank,
    seen_at,
    'inferred' as basis,
    cast(null as {{ dbt.type_string() }}) as recommendation_id,
    experiment,
    arm,
    run_id,
    {{ list_item('sources', 'rank') }} as source,
    {{ list_item('reason_keys', 'rank') }} as reason_key
from viewed_lists
