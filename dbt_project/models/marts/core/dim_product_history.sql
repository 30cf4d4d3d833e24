with product_updates as (

    select
        *,
        coalesce(effective_at, {{ min_valid_from() }}) as valid_from
    from {{ ref('int_product_versions') }}

),

-- The newest known value of each attribute after each update. Updates of one effective time make one state.
states as (

    select distinct
        product_id,
        valid_from,
        coalesce(
            {{ latest('product_name', 'version_number') }} over up_to_update,
            concat_ws(' ', {{ latest('brand', 'version_number') }} over up_to_update, product_id)
        ) as product_name,
        {{ latest('category', 'version_number') }} over up_to_update as category,
        {{ latest('brand', 'version_number') }} over up_to_update as brand,
        {{ latest('price', 'version_number') }} over up_to_update as price,
        {{ latest('popularity_score', 'version_number') }} over up_to_update as popularity_score,
        coalesce({{ latest('is_available', 'version_number') }} over up_to_update, true) as is_available,
        {{ latest('currency', 'version_number') }} over up_to_update as currency,
        {{ latest('margin', 'version_number') }} over up_to_update as margin,
        {{ latest('product_url', 'version_number') }} over up_to_update as product_url,
        {{ latest('image_url', 'version_number') }} over up_to_update as image_url
    from product_updates
    window up_to_update as (partition by product_id order by valid_from)

),

states_with_fingerprint as (

    select
        *,
        {{ fingerprint([
            'product_name', 'category', 'brand', 'price', 'popularity_score', 'is_available', 'currency', 'margin',
            'product_url', 'image_url',
        ]) }}
            as attributes_fingerprint
    from states

),

states_with_previous as (

    select
        *,
        lag(attributes_fingerprint) over (partition by product_id order by valid_from)
            as previous_attributes_fingerprint
    from states_with_fingerprint

),

versions as (

    select
        *,
        row_number() over (partition by product_id order by valid_from) as version,
        lead(valid_from) over (partition by product_id order by valid_from) as next_valid_from
    from states_with_previous
    where previous_attributes_fingerprint is null or attributes_fingerprint != previous_attributes_fingerprint

)

select
    product_id,
    version,
    product_name,
    category,
    brand,
    {{ cast_to_price('price') }} as price,
    popularity_score,
    is_available,
    currency,
    margin,
    product_url,
    image_url,
    valid_from,
    coalesce(next_valid_from, {{ max_valid_to() }}) as valid_to,
    next_valid_from is null as is_current
from versions
