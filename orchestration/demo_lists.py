"""Lists that the demo shop's customers see on its next day, and would see in the other arm of its experiment."""

import logging
from collections.abc import Mapping

from orchestration.dbt_manifest import compile_analyses
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

ANALYSIS = "demo_lists"

TREATMENT_LISTS = """
select user_id, list(product_id order by rank)
from ({query})
where rank <= $length
group by user_id
"""

LOG = logging.getLogger(__name__)


def compile_treatment_lists(settings: Settings) -> str:
    """Return the SQL of the lists that customers of the experiment get, or would get, in the treatment arm."""
    return TREATMENT_LISTS.format(query=compile_analyses(settings, "effect")[ANALYSIS])


def read_lists(settings: Settings, treatment_query: str) -> dict[str, LiveList]:
    """Read the live lists of all customers, for those of the experiment with the lists of both arms.

    `treatment_query` is that of `compile_treatment_lists`, which takes seconds.
    """
    _, connection = open_live_copy(settings, lambda copy: (copy, open_copy(settings, copy)))
    with connection:
        rows = connection.execute(LIVE_LISTS, {"length": LIST_LENGTH}).fetchall()
    with open_reader(settings) as connection:
        treatment_lists: Mapping[str, list[str]] = dict(
            connection.execute(treatment_query, {"length": LIST_LENGTH}).fetchall()
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
