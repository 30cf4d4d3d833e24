"""Example lists of a preview: a few customers' lists before and after a rule."""

import pandas as pd

from warehouse.publishing.rule_preview import RulePreview
from warehouse.publishing.serving_copy import ServingCopy

MAX_EXAMPLES = 3


def list_examples(copy: ServingCopy, preview: RulePreview, max_examples: int = MAX_EXAMPLES) -> pd.DataFrame:
    """Return the lists that a rule changes most.

    Returns:
        Columns user_id, rank, before and after: the names of the products, their ids if they have none, and null for an
        empty place.
    """
    lists = preview.lists
    before, after = lists["product_id_before"], lists["product_id_after"]
    is_changed = (before != after) & ~(before.isna() & after.isna())
    counts = is_changed.groupby(lists["user_id"]).sum()
    counts = counts[counts > 0].sort_values(ascending=False, kind="stable")
    users = list(counts.index[:max_examples])
    rows = lists[lists["user_id"].isin(users)]
    products = copy.get_products(sorted({*rows["product_id_before"].dropna(), *rows["product_id_after"].dropna()}))
    names = dict(zip(products["product_id"], products["product_name"], strict=True))
    examples = pd.DataFrame(
        {
            "user_id": rows["user_id"],
            "rank": rows["rank"],
            "before": rows["product_id_before"].map(lambda product: names.get(product) or product),
            "after": rows["product_id_after"].map(lambda product: names.get(product) or product),
        }
    )
    order = examples["user_id"].map({user: position for position, user in enumerate(users)})
    return examples.assign(order=order).sort_values(["order", "rank"], ignore_index=True).drop(columns="order")
