{{ config(meta={'dagster': {'ref': {'name': 'int_recommendations_ranked'}}}) }}

-- Checks every recommendation, those for anonymous users included, against blocks, exclusions and caps. The rules come
-- from rec_product_rules and int_user_product_exclusions; the query does not use the models that apply them to lists. A
-- rank above the length of its list means that a rank is missing.
with recommendations as (

    select
        recommendations.user_id,
        recommendations.product_id,
        recommendations.rank,
        rules.is_recommendable,
        rules.category_cap,
        rules.brand_cap,
        count(*) over (partition by recommendations.user_id, rules.category) as category_count,
        count(*) over (partition by recommendations.user_id, rules.brand) as brand_count,
        count(*) over (partition by recommendations.user_id) as list_length
    from {{ ref('int_recommendations_ranked') }} as recommendations
    inner join {{ ref('rec_product_rules') }} as rules on recommendations.product_id = rules.product_id

)

select
    recommendations.*,
    exclusions.exclusion_ends_at
from recommendations
left join {{ ref('int_user_product_exclusions') }} as exclusions
    on recommendations.user_id = exclusions.user_id
    and recommendations.product_id = exclusions.product_id
where
    not recommendations.is_recommendable
    or exclusions.product_id is not null
    or recommendations.category_count > recommendations.category_cap
    or recommendations.brand_count > recommendations.brand_cap
    or recommendations.rank > recommendations.list_length
