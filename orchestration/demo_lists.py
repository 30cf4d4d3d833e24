"""Lists that the demo shop's customers see on its next day, and would see in the other arm of its experiment."""

import logging
from collections.abc import Mapping

from warehouse.database import open_reader
from warehouse.demo.reactions import LIST_LENGTH, LiveList
from warehouse.publishing.live_copy import open_copy, open_live_copy
from warehouse.settings import Settings

EXPERIMENT = "demo_recommendations"
CONTROL, TREATMENT = "control", "treatment"
"""Arms of the experiment."""

LIVE_LISTS = """
with lists as (

    select user_id, list(product_id order by rank) as product_ids
    from rec_top_n
    where rank <= $length
    group by user_id

)

select
    coalesce(lists.user_id, arms.user_id) as user_id,
    coalesce(lists.product_ids, []) as product_ids,
    arms.experiment,
    arms.arm
from lists
full join rec_customer_arms as arms on lists.user_id = arms.user_id
"""

# The lists of the recommendation models without merchandising rules: of the candidates of the serving model and then of
# the popular products, those that the customer can get. Fatigued products go behind the others of a whole list.
TREATMENT_LISTS = """
with ordered_products as (

    select arms.user_id, candidates.product_id, candidates.rank
    from marts.rec_customer_arms as arms
    inner join marts.rec_experiments as experiments
        on arms.experiment = experiments.experiment
        and arms.arm = experiments.arm
    inner join ml.candidates as candidates
        on arms.user_id = candidates.user_id
        and experiments.serving_run_id = candidates.run_id

    union all

    -- Behind all candidates.
    select arms.user_id, fillers.product_id, 1000000 + fillers.rank
    from marts.rec_customer_arms as arms
    cross join intermediate.int_filler_products as fillers
    where fillers.rule_set = ''

),

ranked as (

    select
        ordered_products.user_id,
        ordered_products.product_id,
        row_number() over (partition by ordered_products.user_id order by min(ordered_products.rank)) as rank
    from ordered_products
    inner join intermediate.int_product_rules as rules
        on ordered_products.product_id = rules.product_id
        and rules.rule_set = ''
        and rules.is_recommendable
    left join intermediate.int_user_product_exclusions as exclusions
        on ordered_products.user_id = exclusions.user_id
        and ordered_products.product_id = exclusions.product_id
    where exclusions.product_id is null
    group by ordered_products.user_id, ordered_products.product_id

),

whole_lists as (

    select
        ranked.user_id,
        ranked.product_id,
        row_number() over (
            partition by ranked.user_id
            order by coalesce(impressions.is_fatigued, false), ranked.rank
        ) as rank
    from ranked
    left join marts.feat_user_product_impressions as impressions
        on ranked.user_id = impressions.user_id
        and ranked.product_id = impressions.product_id
        and impressions.cutoff = 'now'
    where ranked.rank <= (select max(rank) from marts.rec_top_n)

)

select user_id, list(product_id order by rank) as product_ids
from whole_lists
where rank <= $length
group by user_id
"""

LOG = logging.getLogger(__name__)


def read_lists(settings: Settings) -> dict[str, LiveList]:
    """Read the live lists of all customers, for those of the experiment with the lists of both arms."""
    _, connection = open_live_copy(settings, lambda copy: (copy, open_copy(settings, copy)))
    with connection:
        rows = connection.execute(LIVE_LISTS, {"length": LIST_LENGTH}).fetchall()
    with open_reader(settings) as connection:
        treatment_lists: Mapping[str, list[str]] = dict(
            connection.execute(TREATMENT_LISTS, {"length": LIST_LENGTH}).fetchall()
        )
    lists = {}
    difference_count = 0
    for user_id, product_ids, experiment, arm in rows:
        if experiment == EXPERIMENT:
            lists_by_arm = {CONTROL: (), TREATMENT: treatment_lists.get(user_id, ())}
            difference_count += arm == TREATMENT and list(lists_by_arm[TREATMENT]) != product_ids
            lists[user_id] = LiveList(product_ids, experiment, arm, lists_by_arm)
        else:
            lists[user_id] = LiveList(product_ids)
    if difference_count:
        LOG.warning(
            "the true effect is approximate: the lists of %s customers are not those of the model and the popular "
            "products. Remove the merchandising rules for an exact figure",
            difference_count,
        )
    return lists
