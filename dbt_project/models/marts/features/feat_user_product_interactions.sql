{{ config(materialized='view') }}

-- A period that starts at the cutoff is not included.
with decayed as (

    select
        decay_factors.cutoff,
        decay_factors.as_of,
        history.user_id,
        history.product_id,
        history.view_weight * decay_factors.view_decay_factor
        + history.click_weight * decay_factors.click_decay_factor
        + history.add_to_cart_weight * decay_factors.add_to_cart_decay_factor
        + history.remove_from_cart_weight * decay_factors.remove_from_cart_decay_factor
        + history.purchase_weight * decay_factors.purchase_decay_factor
            as strength,
        history.interaction_count,
        history.view_count,
        history.click_count,
        history.add_to_cart_count,
        history.remove_from_cart_count,
        history.purchase_count,
        history.return_count,
        history.purchased_quantity,
        history.first_interaction_at,
        history.last_interaction_at
    from {{ ref('int_user_product_history') }} as history
    inner join {{ ref('int_cutoff_decay_factors') }} as decay_factors
        on history.valid_from < decay_factors.as_of
        and history.valid_to >= decay_factors.as_of

)

select
    cutoff,
    as_of,
    user_id,
    product_id,
    strength,
    strength / interaction_count as average_strength,
    interaction_count,
    view_count,
    click_count,
    add_to_cart_count,
    remove_from_cart_count,
    purchase_count,
    return_count,
    purchased_quantity,
    first_interaction_at,
    last_interaction_at
from decayed
