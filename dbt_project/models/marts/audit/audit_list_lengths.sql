{{ config(materialized='view') }}

with recommendations as (

    select user_id, product_id, source from {{ ref('int_recommendations_ranked') }}

),

lists as (

    select
        users.user_id,
        count(recommendations.product_id) as list_length,
        count(case when recommendations.source = 'pinned' then 1 end) as pinned_count,
        count(case when recommendations.source = 'model' then 1 end) as model_count,
        count(case when recommendations.source = 'popularity' then 1 end) as popular_count
    from {{ ref('int_user_policies') }} as users
    left join recommendations on users.user_id = recommendations.user_id
    where users.has_list and users.user_id != {{ anonymous_user_id() }}
    group by users.user_id

),

-- Pins and candidates outside the list. A short list has room for them, so that only caps can keep them out.
unlisted as (

    select
        candidates.user_id,
        count(*) as unlisted_count
    from {{ ref('int_recommendation_candidates') }} as candidates
    left join recommendations
        on candidates.user_id = recommendations.user_id
        and candidates.product_id = recommendations.product_id
    where recommendations.product_id is null
    group by candidates.user_id

),

exclusions as (

    select user_id, count(*) as excluded_count from {{ ref('int_user_product_exclusions') }}
    group by user_id

)

select
    lists.list_length,
    count(*) as customer_count,
    cast(sum(lists.pinned_count) as {{ dbt.type_bigint() }}) as pinned_count,
    cast(sum(lists.model_count) as {{ dbt.type_bigint() }}) as model_count,
    cast(sum(lists.popular_count) as {{ dbt.type_bigint() }}) as popular_count,
    cast(sum(coalesce(exclusions.excluded_count, 0)) as {{ dbt.type_bigint() }}) as excluded_count,
    case
        when lists.list_length < {{ var('top_n') }}
            then cast(sum(coalesce(unlisted.unlisted_count, 0)) as {{ dbt.type_bigint() }})
    end as over_caps_count
from lists
left join unlisted on lists.user_id = unlisted.user_id
left join exclusions on lists.user_id = exclusions.user_id
group by lists.list_length
