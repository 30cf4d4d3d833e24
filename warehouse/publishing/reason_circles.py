"""Reasons of one list that name each other: A because of B, and B because of A."""

from collections.abc import Callable

import pandas as pd

NAMING_KEYS = ("bought", "added_to_cart", "clicked", "viewed")
"""Keys of the reasons that name another product of the customer's history."""

OWN_HISTORY_SUFFIX = "_before"
"""End of the keys of the reasons that name the recommended product itself."""


def replace_circular_reasons(recommendations: pd.DataFrame, get_reason_text: Callable[[str], str]) -> pd.DataFrame:
    """Return a list in which no reasons form a circle.

    In a circle, each product is in the customer's history, because the reason of another product names it. So the
    products whose reason is a product at a lower place get the reason that they are in the history themselves, such as
    "Because you viewed Mug before". At least one reason of each circle names a product at a higher place, and stays.

    Args:
        recommendations: One list with the columns of `rec_top_n`, best first.
        get_reason_text: Returns the text of a reason key, from `rec_reason_texts`.
    """
    # A copy of an earlier version has no keys of reasons.
    if "reason_key" not in recommendations:
        return recommendations
    ranks = dict(zip(recommendations["product_id"], recommendations["rank"], strict=True))
    naming_rows = recommendations[recommendations["reason_key"].isin(NAMING_KEYS)]
    action_keys = dict(zip(naming_rows["reason_product_id"], naming_rows["reason_key"], strict=True))
    reasons = {
        product: reason
        for product, reason in zip(naming_rows["product_id"], naming_rows["reason_product_id"], strict=True)
        if reason in ranks and reason != product
    }
    names = dict(zip(recommendations["product_id"], recommendations["product_name"], strict=True))
    replaced_rows = {
        product: f"{action_keys[product]}{OWN_HISTORY_SUFFIX}"
        for product in _find_circular_products(reasons)
        if ranks[reasons[product]] > ranks[product]
    }
    if not replaced_rows:
        return recommendations
    result = recommendations.copy()
    for product, key in replaced_rows.items():
        is_product = result["product_id"] == product
        text = get_reason_text(key).replace("{product}", str(names[product] or product))
        result.loc[is_product, ["reason_product_id", "reason_key", "reason"]] = [None, key, text]
    return result


def copy_reasons(recommendations: pd.DataFrame, source_list: pd.DataFrame) -> pd.DataFrame:
    """Return a list with the reasons that its products have in the list that it comes from.

    So a product has the same reason in both, also if a circle of the longer list is not in the shorter one. A product
    that has another source there, such as a pin, keeps its reason.
    """
    columns = ["reason_product_id", "reason_key", "reason"]
    if "reason_key" not in recommendations or "reason_key" not in source_list:
        return recommendations
    source_rows = {(row["product_id"], row["source"]): row for row in source_list.to_dict("records")}
    rows = [source_rows.get((row["product_id"], row["source"]), row) for row in recommendations.to_dict("records")]
    return recommendations.assign(**{column: [row[column] for row in rows] for column in columns})


def _find_circular_products(reasons: dict[str, str]) -> set[str]:
    """Return the products that the chain of reasons, from product to reason product, comes back to."""
    circular_products: set[str] = set()
    finished_products: set[str] = set()
    for start in reasons:
        chain: dict[str, None] = {}
        product: str | None = start
        while product is not None and product not in chain and product not in finished_products:
            chain[product] = None
            product = reasons.get(product)
        if product in chain:
            chained_products = list(chain)
            circular_products.update(chained_products[chained_products.index(str(product)) :])
        finished_products.update(chain)
    return circular_products
