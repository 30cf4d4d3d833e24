{{ config(materialized='view') }}

-- Popular products, and products that are new by the newest data, because the shop's files can be older than today.
with products as (

    select
        dim_products.product_id,
        dim_products.category,
        popular_products.rank is not null as is_popular,
        {{ dbt.dateadd('day', '-' ~ var('new_arrival_days'), 'cutoffs.as_of') }} <= dim_products.first_seen_at
            as is_new,
        coalesce(popular_products.score, 0) as score
    from {{ ref('dim_products') }} as dim_products
    inner join {{ ref('int_feature_cutoffs') }} as cutoffs on cutoffs.cutoff = 'now'
    left join {{ ref('int_popular_products_ranked') }} as popular_products
        on dim_products.product_id = popular_products.product_id

),

-- Each list is of a category. New products of all categories are in the list of no category too.
products_by_list as (

    select 'popular' as list_kind, category as list_category, product_id, score, 'popular_in_category' as reason_key
    from products
    where is_popular and category is not null

    union all

    select 'new' as list_kind, category as list_category, product_id, score, 'new_in_category' as reason_key
    from products
    where is_new and category is not null

    union all

    select 'new' as list_kind, null as list_category, product_id, score, 'new_in_shop' as reason_key
    from products
    where is_new

)

select
    profiles.placement,
    profiles.rule_profile,
    products.list_category,
    products.product_id,
    row_number() over (
        partition by profiles.placement, profiles.rule_profile, products.list_category
        order by products.score desc, products.product_id
    ) as list_order,
    products.score,
    'popularity' as source,
    products.reason_key
from products_by_list as products
inner join {{ ref('int_placement_profiles') }} as profiles on products.list_kind = profiles.list_kind
