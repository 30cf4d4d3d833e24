-- An action of a window is first seen by the next cutoff, which is the window's end.
with windows as (

    select * from {{ ref('int_feature_cutoffs') }}
    where window_end_at is not null

),

-- What a customer had already found needs no recommending: their first action on the product lies in the window. Returns
-- in parts leave a rest of rounding, which is no liking.
new_pairs as (

    select
        windows.cutoff,
        totals.user_id,
        totals.product_id
    from {{ ref('int_user_product_totals') }} as totals
    inner join windows on totals.from_cutoff_index = windows.cutoff_index + 1
    where
        totals.first_cutoff_index = totals.from_cutoff_index
        and totals.undecayed_weight > 0.000001

),

known_products as (

    select cutoff, product_id from {{ ref('ml_product_features') }}

),

-- A constant, where a join with the windows would weigh the interactions of all instants.
known_users as (

    select distinct cutoff, user_id
    from {{ ref('ml_interactions') }}
    where cutoff != 'now'

),

-- Nobody can recommend what did not exist yet.
final as (

    select
        new_pairs.cutoff,
        new_pairs.user_id,
        new_pairs.product_id,
        known_users.user_id is not null as is_known_user
    from new_pairs
    inner join known_products
        on new_pairs.cutoff = known_products.cutoff
        and new_pairs.product_id = known_products.product_id
    left join known_users
        on new_pairs.cutoff = known_users.cutoff
        and new_pairs.user_id = known_users.user_id

)

select * from final
