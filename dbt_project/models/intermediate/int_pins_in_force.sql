{{ config(materialized='view') }}

with now_instant as (

    select last_day from {{ ref('int_as_of_spine') }}
    where as_of_name = 'now'

),

pins as (

    select
        {{ clean_text('product_id') }} as product_id,
        lower({{ clean_text('favourite_category') }}) as favourite_category,
        cast(position as {{ dbt.type_int() }}) as position,
        valid_from,
        valid_until
    from {{ ref('offer_pins') }}

),

final as (

    select
        pins.product_id,
        pins.favourite_category,
        min(pins.position) as position
    from pins
    left join now_instant on true
    where {{ is_in_force('pins', 'now_instant.last_day') }}
    group by pins.product_id, pins.favourite_category

)

select * from final
