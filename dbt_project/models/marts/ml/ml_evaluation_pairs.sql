-- An action of a window is first seen by the next instant of the spine, which is the window's end.
with windows as (

    select * from {{ ref('int_as_of_spine') }}
    where window_end is not null

),

-- What a customer had already found needs no recommending: their first action on the product lies in the window. Returns
-- in parts leave a rest of rounding, which is no liking.
new_pairs as (

    select
        windows.as_of_name,
        totals.user_id,
        totals.product_id
    from {{ ref('int_user_product_totals') }} as totals
    inner join windows on totals.from_position = windows.position + 1
    where
        totals.first_position = totals.from_position
        and totals.unfaded_weight > 0.000001

),

known_products as (

    select as_of_name, product_id from {{ ref('ml_product_features') }}

),

-- A constant, where a join with the windows would weigh the interactions of all instants.
known_users as (

    select distinct as_of_name, user_id
    from {{ ref('ml_interactions') }}
    where as_of_name != 'now'

),

-- Nobody can recommend what did not exist yet.
final as (

    select
        new_pairs.as_of_name,
        new_pairs.user_id,
        new_pairs.product_id,
        known_users.user_id is not null as is_known_user
    from new_pairs
    inner join known_products
        on new_pairs.as_of_name = known_products.as_of_name
        and new_pairs.product_id = known_products.product_id
    left join known_users
        on new_pairs.as_of_name = known_users.as_of_name
        and new_pairs.user_id = known_users.user_id

)

select * from final
