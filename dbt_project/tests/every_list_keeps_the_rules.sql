{{ config(meta={'dagster': {'ref': {'name': 'int_offers_ranked'}}}) }}

-- The other way round than the lists are made: from what is offered, the stranger's list included, to the rules.
with offers as (

    select
        offers.user_id,
        offers.product_id,
        offers.rank,
        rules.is_offered,
        rules.category_cap,
        rules.brand_cap,
        count(*) over (partition by offers.user_id, rules.category) as offered_of_category,
        count(*) over (partition by offers.user_id, rules.brand) as offered_of_brand,
        count(*) over (partition by offers.user_id) as offered
    from {{ ref('int_offers_ranked') }} as offers
    inner join {{ ref('rec_product_rules') }} as rules on offers.product_id = rules.product_id

)

select
    offers.*,
    withheld.offered_again_at
from offers
left join {{ ref('int_products_withheld') }} as withheld
    on offers.user_id = withheld.user_id
    and offers.product_id = withheld.product_id
where
    not offers.is_offered
    or withheld.product_id is not null
    or offers.offered_of_category > offers.category_cap
    or offers.offered_of_brand > offers.brand_cap
    or offers.rank > offers.offered
