{{ config(materialized='view') }}

with lists as (

    select
        users.user_id,
        count(recommendations.product_id) as list_length,
        count(case when recommendations.source = 'pinned' then 1 end) as pinned_count,
        count(case when recommendations.source = 'model' then 1 end) as model_count,
        count(case when recommendations.source = 'popularity' then 1 end) as popular_count
    from {{ ref('dim_users') }} as users
    left join {{ ref('int_recommendations_ranked') }} as recommendations on users.user_id = recommendations.user_id
    group by users.user_id

),

-- Pins, candidates and popular products from which short lists are made. The caps drop those that are not in the list.
products_before_caps as (

    select user_id, count(*) as product_count from {{ ref('int_short_lists_with_fillers') }}
    group by user_id

),

exclusions as (

    select user_id, count(*) as excluded_count from {{ ref('int_user_product_exclusions') }}
    group by user_id

),

final as (

    select
        lists.list_length,
        count(*) as customer_count,
        cast(sum(lists.pinned_count) as {{ dbt.type_bigint() }}) as pinned_count,
        cast(sum(lists.model_count) as {{ dbt.type_bigint() }}) as model_count,
        cast(sum(lists.popular_count) as {{ dbt.type_bigint() }}) as popular_count,
        cast(coalesce(sum(exclusions.excluded_count), 0) as {{ dbt.type_bigint() }}) as excluded_count,
        cast(
            sum(
                case
                    when lists.list_length < {{ var('top_n') }}
                        then coalesce(products_before_caps.product_count, 0) - lists.list_length
                end
            ) as {{ dbt.type_bigint() }}
        ) as over_caps_count
    from lists
    left join products_before_caps on lists.user_id = products_before_caps.user_id
    left join exclusions on lists.user_id = exclusions.user_id
    group by lists.list_length

)

select * from final
