-- Catalog rows take precedence over events and purchases, then newer rows over older ones.
with numbered_updates as (

    select
        *,
        row_number() over (
            partition by product_id
            order by
                is_from_catalog,
                effective_at nulls first,
                _feed,
                {{ natural_sort_key('case when is_from_catalog then _file end') }},
                _file,
                _line
        ) as version_number,
        {{ fingerprint([
            'product_name', 'category', 'brand', 'price', 'popularity_score', 'is_available', 'is_from_catalog',
            'currency', 'margin', 'product_url', 'image_url',
        ]) }} as attributes_fingerprint
    from {{ ref('int_product_updates') }}

),

updates_with_previous as (

    select
        *,
        lag(attributes_fingerprint) over (partition by product_id order by version_number)
            as previous_attributes_fingerprint
    from numbered_updates

)

select
    product_id,
    version_number,
    product_name,
    category,
    brand,
    price,
    popularity_score,
    is_available,
    currency,
    margin,
    product_url,
    image_url,
    effective_at,
    is_from_catalog
from updates_with_previous
where previous_attributes_fingerprint is null or attributes_fingerprint != previous_attributes_fingerprint
