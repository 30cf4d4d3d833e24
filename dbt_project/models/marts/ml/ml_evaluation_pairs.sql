-- The first visible cutoff of an action in a window is the next cutoff, which is the window's end.
with windows as (

    select * from {{ ref('int_feature_cutoffs') }}
    where window_end_at is not null

),

-- A recommendation is only useful for a new product, so the pair's first action must be in the window. The limit above zero
-- is for partial returns, whose weights can leave a rounding error.
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

-- The condition is a constant, because a join with the windows would compute the interactions of all cutoffs.
known_users as (

    select distinct cutoff, user_id
    from {{ ref('ml_interactions') }}
    where cutoff != 'now'

),

-- A product that does not exist at the cutoff cannot be recommended.
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
