{{ config(materialized='view') }}

with now_instant as (

    select as_of from {{ ref('int_as_of_spine') }}
    where as_of_name = 'now'

),

-- Bought and kept: what went back may be offered again.
bought as (

    select user_id, product_id from {{ ref('feat_user_product_interactions') }}
    where as_of_name = 'now' and purchased_quantity > 0

),

repeatable as (

    select product_id, repeat_after_days from {{ ref('rec_product_rules') }}
    where repeat_after_days is not null

),

offered_again as (

    select
        purchases.user_id,
        purchases.product_id,
        {{ dbt.dateadd('day', 'min(repeatable.repeat_after_days)', 'max(purchases.purchased_at)') }} as offered_again_at
    from {{ ref('fct_transactions') }} as purchases
    inner join repeatable on purchases.product_id = repeatable.product_id
    where not purchases.is_return
    group by purchases.user_id, purchases.product_id

),

final as (

    select
        bought.user_id,
        bought.product_id,
        offered_again.offered_again_at
    from bought
    cross join now_instant
    left join offered_again
        on bought.user_id = offered_again.user_id
        and bought.product_id = offered_again.product_id
    where offered_again.offered_again_at is null or offered_again.offered_again_at > now_instant.as_of

)

select * from final
