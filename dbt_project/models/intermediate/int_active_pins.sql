{{ config(materialized='view') }}

with pins as (

    select
        {{ clean_id('product_id') }} as product_id,
        lower({{ clean_text('favourite_category') }}) as favourite_category,
        cast(position as {{ dbt.type_int() }}) as position,
        valid_from,
        valid_until
    from {{ ref('pins') }}

)

select
    pins.product_id,
    pins.favourite_category,
    min(pins.position) as position
from pins
left join {{ ref('int_feature_cutoffs') }} as cutoffs on cutoffs.cutoff = 'now'
where {{ is_active_on('pins', 'cutoffs.last_date') }}
group by pins.product_id, pins.favourite_category
