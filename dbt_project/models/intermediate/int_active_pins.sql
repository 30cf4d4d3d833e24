{{ config(materialized='view') }}

with now_cutoff as (

    select last_date from {{ ref('int_feature_cutoffs') }}
    where cutoff = 'now'

),

pins as (

    select
        {{ clean_text('product_id') }} as product_id,
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
left join now_cutoff on true
where {{ is_active_on('pins', 'now_cutoff.last_date') }}
group by pins.product_id, pins.favourite_category
