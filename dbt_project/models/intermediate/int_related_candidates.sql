{{ config(materialized='view') }}

-- Similar products at odd places, products of the same orders at even places; pairs at most as frequent as by chance
-- (lift up to 1) are no candidates.
with related_products as (

    select
        product_id as list_product_id,
        similar_product_id as product_id,
        2 * rank - 1 as list_order,
        score,
        'model' as source,
        'similar' as reason_key
    from {{ ref('stg_ml__similar_products') }}

    union all

    select
        product_id as list_product_id,
        other_product_id as product_id,
        2 * rank as list_order,
        lift as score,
        'joint_orders' as source,
        'bought_together' as reason_key
    from {{ ref('rec_product_pairs') }}
    where lift > 1

),

-- A product that is both has the better place.
distinct_products as (

    select
        *,
        row_number() over (partition by list_product_id, product_id order by list_order) as occurrence
    from related_products

)

select
    profiles.placement,
    profiles.rule_profile,
    related_products.list_product_id,
    related_products.product_id,
    related_products.list_order,
    related_products.score,
    related_products.source,
    related_products.reason_key,
    related_products.list_product_id as reason_product_id
from distinct_products as related_products
inner join {{ ref('dim_products') }} as list_products on related_products.list_product_id = list_products.product_id
cross join {{ ref('int_placement_profiles') }} as profiles
where profiles.list_kind = 'related' and related_products.occurrence = 1
