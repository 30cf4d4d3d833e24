{{ config(materialized='view') }}

with quarantined as (

    select * from {{ ref('int_products_classified') }}
    where row_status = 'quarantined'

),

raw_products as (

    select * from {{ ref('stg_raw__products') }}

),

final as (

    select
        quarantined._feed,
        quarantined._file,
        quarantined._line,
        quarantined.reasons,
        quarantined.product_id,
        quarantined.product_name,
        quarantined.category,
        quarantined.brand,
        {{ cast_to_price('quarantined.price') }} as price,
        quarantined.popularity_score,
        quarantined.is_available,
        quarantined.updated_at,
        quarantined.unreadable_price,
        {{ raw_row_json('raw_products', [
            'product_id', 'product_name', 'category', 'brand', 'price', 'popularity_score', 'is_available',
            'updated_at',
        ]) }} as raw_row
    from quarantined
    -- A quarantined row is kept even if its raw row is missing.
    left join raw_products
        on quarantined._load_id = raw_products._load_id
        and quarantined._line = raw_products._line

)

select * from final
