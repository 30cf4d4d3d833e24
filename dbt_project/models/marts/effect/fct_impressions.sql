{{ config(materialized='view') }}

-- Products that customers saw in a list. Of a shop with impressions, what its front end says; of another shop, the products
-- of the lists in int_list_views.
with measured as (

    select
        impressions.user_id,
        impressions.session_id,
        impressions.product_id,
        coalesce(impressions.placement, served.placement, lists.placement) as placement,
        coalesce(
            impressions.position,
            {{ array_position('served.product_ids', 'impressions.product_id') }},
            {{ array_position('lists.product_ids', 'impressions.product_id') }}
        ) as rank,
        impressions.seen_at,
        'measured' as basis,
        impressions.recommendation_id,
        coalesce(served.experiment, lists.experiment) as experiment,
        coalesce(served.arm, lists.arm) as arm,
        coalesce(served.run_id, lists.run_id) as run_id,
        {{ item_at('lists.sources', array_position('lists.product_ids', 'impressions.product_id')) }} as source,
        {{ item_at('lists.reason_keys', array_position('lists.product_ids', 'impressions.product_id')) }} as reason_key
    from {{ ref('int_impressions_classified') }} as impressions
    left join {{ ref('fct_served_lists') }} as served on impressions.recommendation_id = served.recommendation_id
    left join {{ ref('fct_recommendation_lists') }} as lists
        on impressions.user_id = lists.user_id
        and impressions.seen_at >= lists.published_at
        and (lists.live_until is null or impressions.seen_at < lists.live_until)
    where impressions.row_status = 'clean'

),

inferred as (

    select
        views.user_id,
        cast(null as {{ dbt.type_string() }}) as session_id,
        {{ unnest_lists({'product_id': 'lists.product_ids', 'source': 'lists.sources', 'reason_key': 'lists.reason_keys'}, 'rank') }},
        views.placement,
        views.seen_at,
        'inferred' as basis,
        cast(null as {{ dbt.type_string() }}) as recommendation_id,
        lists.experiment,
        lists.arm,
        lists.run_id
    from {{ ref('int_list_views') }} as views
    inner join {{ ref('fct_recommendation_lists') }} as lists
        on views.user_id = lists.user_id
        and views.placement = lists.placement
        and views.published_at = lists.published_at

)
