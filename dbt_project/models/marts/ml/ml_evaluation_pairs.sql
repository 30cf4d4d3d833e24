-- An action of a window is first seen by the next instant of the spine, which is the window's end.
with windows as (

    select * from {{ ref('int_as_of_spine') }}
    where window_end is not null

),

-- Returns in parts leave a rest of rounding, which is no liking.
positive_pairs as (

    select
        windows.as_of_name,
        windows.position,
        actions.user_id,
        actions.product_id
    from {{ ref('int_actions_on_spine') }} as actions
    inner join windows on actions.seen_from = windows.position + 1
    where actions.user_id is not null
    group by windows.as_of_name, windows.position, actions.user_id, actions.product_id
    having sum({{ exact('actions.weight') }}) > 0.000001

),

seen_pairs as (

    select position, user_id, product_id from {{ ref('int_user_product_totals') }}

),

known_products as (

    select as_of_name, product_id from {{ ref('ml_product_features') }}

),

known_users as (

    select distinct as_of_name, user_id from {{ ref('ml_interactions') }}

),

-- Nobody can recommend what did not exist yet, and what a customer had already found needs no recommending.
final as (

    select
        positive_pairs.as_of_name,
        positive_pairs.user_id,
        positive_pairs.product_id,
        known_users.user_id is not null as is_known_user
    from positive_pairs
    inner join known_products
        on positive_pairs.as_of_name = known_products.as_of_name
        and positive_pairs.product_id = known_products.product_id
    left join seen_pairs
        on positive_pairs.position = seen_pairs.position
        and positive_pairs.user_id = seen_pairs.user_id
        and positive_pairs.product_id = seen_pairs.product_id
    left join known_users
        on positive_pairs.as_of_name = known_users.as_of_name
        and positive_pairs.user_id = known_users.user_id
    where seen_pairs.product_id is null

)

select * from final
