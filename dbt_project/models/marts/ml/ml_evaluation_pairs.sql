-- Pairs whose first action is in the window. The minimum weight is above zero, because the weights of a purchase and its
-- returns can add up to a rounding error.
with new_pairs as (

    select
        windows.cutoff,
        history.user_id,
        history.product_id,
        false as is_repeat
    from {{ ref('int_user_product_history') }} as history
    inner join {{ ref('int_feature_cutoffs') }} as windows
        on {{ known_as_of('history', 'windows.window_end_at') }}
        and history.first_interaction_at >= windows.as_of
    where windows.cutoff in ('validation', 'test') and history.undecayed_weight > 0.000001

),

-- Products bought and kept before the window, and bought again in it on a later day, more pieces than were returned. Other
-- older pairs are left out.
repeated_pairs as (

    select
        repeats.cutoff,
        repeats.user_id,
        repeats.product_id,
        true as is_repeat
    from {{ ref('feat_user_product_repeats') }} as repeats
    inner join {{ ref('int_feature_cutoffs') }} as windows on repeats.cutoff = windows.cutoff
    inner join {{ ref('int_transactions_unioned') }} as transactions
        on repeats.user_id = transactions.user_id
        and repeats.product_id = transactions.product_id
        and repeats.last_purchase_date < transactions.purchase_date
        and windows.as_of <= transactions.purchased_at
        and windows.window_end_at > transactions.purchased_at
    where repeats.is_repeat_shop and repeats.cutoff in ('validation', 'test')
    group by repeats.cutoff, repeats.user_id, repeats.product_id
    -- Returns have a negative quantity.
    having sum({{ cast_to_decimal('transactions.quantity') }}) > 0

),

pairs as (

    select * from new_pairs
    union all
    select * from repeated_pairs

),

known_users as (

    select distinct cutoff, user_id from {{ ref('ml_interactions') }}

)

-- Pairs with a product that does not exist at the cutoff are left out, because no method can recommend it.
select
    pairs.cutoff,
    pairs.user_id,
    pairs.product_id,
    known_users.user_id is not null as is_known_user,
    pairs.is_repeat
from pairs
inner join {{ ref('ml_product_features') }} as known_products
    on pairs.cutoff = known_products.cutoff
    and pairs.product_id = known_products.product_id
left join known_users
    on pairs.cutoff = known_users.cutoff
    and pairs.user_id = known_users.user_id
