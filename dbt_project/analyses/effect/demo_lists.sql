-- The lists of the demo shop's customers in the treatment arm of its experiment, without merchandising rules: of the candidates of
-- the serving model and then of the popular products, those that the customer can get. Fatigued products go behind the others
-- of a whole list. `recomart demo --days` reads them before each day.
with ordered_products as (

    select
        arms.user_id,
        candidates.product_id,
        candidates.rank
    from {{ ref('rec_customer_arms') }} as arms
    inner join {{ ref('rec_experiments') }} as experiments
        on arms.experiment = experiments.experiment
        and arms.arm = experiments.arm
    inner join {{ ref('stg_ml__candidates') }} as candidates
        on arms.user_id = candidates.user_id
        and experiments.serving_run_id = candidates.run_id

    union all

    select
        arms.user_id,
        fillers.product_id,
        -- Behind all candidates.
        1000000 + fillers.rank as rank
    from {{ ref('rec_customer_arms') }} as arms
    cross join {{ ref('int_filler_products') }} as fillers
    where fillers.rule_profile = ''

),

ranked as (

    select
        ordered_products.user_id,
        ordered_products.product_id,
        row_number() over (partition by ordered_products.user_id order by min(ordered_products.rank)) as rank
    from ordered_products
    inner join {{ ref('int_product_rules') }} as rules
        on ordered_products.product_id = rules.product_id
        and rules.rule_profile = ''
        and rules.is_recommendable
    left join {{ ref('int_user_product_exclusions') }} as exclusions
        on ordered_products.user_id = exclusions.user_id
        and ordered_products.product_id = exclusions.product_id
    where exclusions.product_id is null
    group by ordered_products.user_id, ordered_products.product_id

)

select
    ranked.user_id,
    ranked.product_id,
    row_number() over (
        partition by ranked.user_id
        order by fatigued_products.product_id is not null, ranked.rank
    ) as rank
from ranked
left join {{ ref('int_fatigued_products') }} as fatigued_products
    on ranked.user_id = fatigued_products.user_id
    and ranked.product_id = fatigued_products.product_id
where ranked.rank <= (select max(lists.rank) from {{ ref('rec_top_n') }} as lists)
