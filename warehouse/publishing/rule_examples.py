"""Example lists of a preview: a few lists before and after a rule."""

import pandas as pd

from warehouse.publishing.rule_preview import RulePreview
from warehouse.publishing.serving_copy import ServingCopy

MAX_EXAMPLES = 3


def list_examples(copy: ServingCopy, preview: RulePreview, max_examples: int = MAX_EXAMPLES) -> pd.DataFrame:
    """Return the lists that a rule changes most.

    Returns:
        Columns list_name, rank, before and after: the names of the products, their ids if they have none, and null for
        an empty place.
    """
    lists = preview.lists
    counts = lists["is_changed"].groupby(lists["list_name"]).sum()
    counts = counts[counts > 0].sort_values(ascending=False, kind="stable")
    list_names = list(counts.index[:max_examples])
    rows = lists[lists["list_name"].isin(list_names)]
    products = copy.get_products(sorted({*rows["product_id_before"].dropna(), *rows["product_id_after"].dropna()}))
    names = dict(zip(products["product_id"], products["product_name"], strict=True))
    examples = pd.DataFrame(
        {
            "list_name": rows["list_name"],
            "rank": rows["rank"],
            "before": rows["product_id_before"].map(lambda product: names.get(product) or product),
            "after": rows["product_id_after"].map(lambda product: names.get(product) or product),
        }
    )
    order = examples["list_name"].map({name: position for position, name in enumerate(list_names)})
    return examples.assign(order=order).sort_values(["order", "rank"], ignore_index=True).drop(columns="order")
