-- Pairs whose first action is in the window. Older pairs are left out, because a recommendation is only useful for a new
-- product. The minimum weight is above zero, because the weights of a purchase and its returns can add up to a rounding
-- error.
with new_pairs as (

    select
        windows.cutoff,
        history.user_id,
        history.product_id
    from {{ ref('int_user_product_history') }} as history
    inner join {{ ref('int_feature_cutoffs') }} as windows
        on {{ known_as_of('history', 'windows.window_end_at') }}
        and history.first_interaction_at >= windows.as_of
    where windows.cutoff in ('validation', 'test') and history.undecayed_weight > 0.000001

),

known_users as (

    select distinct cutoff, user_id from {{ ref('ml_interactions') }}

)

-- Pairs with a product that does not exist at the cutoff are left out, because no method can recommend it.
select
    new_pairs.cutoff,
    new_pairs.user_id,
    new_pairs.product_id,
    known_users.user_id is not null as is_known_user
from new_pairs
inner join {{ ref('ml_product_features') }} as known_products
    on new_pairs.cutoff = known_products.cutoff
    and new_pairs.product_id = known_products.product_id
left join known_users
    on new_pairs.cutoff = known_users.cutoff
    and new_pairs.user_id = known_users.user_id
