"""Reasons of one list that name each other."""

import pandas as pd

from warehouse.publishing.reason_circles import copy_reasons, replace_circular_reasons

TEXTS = {
    "clicked_before": "Because you clicked on {product} before",
    "bought_before": "Because you bought {product} before",
}


def build_list(*rows: tuple[str, str | None, str]) -> pd.DataFrame:
    """Return a list of products with their reason products and reason keys."""
    table = pd.DataFrame(rows, columns=["product_id", "reason_product_id", "reason_key"])
    return table.assign(rank=range(1, len(rows) + 1), product_name=table["product_id"].str.upper(), reason="a reason")


def test_circle_of_two_is_broken_once() -> None:
    recommendations = build_list(("a", "b", "clicked"), ("c", "a", "bought"), ("b", "a", "bought"))
    result = replace_circular_reasons(recommendations, TEXTS.__getitem__)
    assert list(result["reason"]) == ["Because you bought A before", "a reason", "a reason"]
    assert list(result["reason_key"]) == ["bought_before", "bought", "bought"]
    assert list(result["reason_product_id"].isna()) == [True, False, False]
    assert list(recommendations["reason_product_id"]) == ["b", "a", "a"]


def test_long_circle_is_broken() -> None:
    recommendations = build_list(("a", "c", "clicked"), ("b", "a", "clicked"), ("c", "b", "clicked"))
    result = replace_circular_reasons(recommendations, TEXTS.__getitem__)
    assert list(result["reason_key"]) == ["clicked_before", "clicked", "clicked"]


def test_chain_without_circle_stays() -> None:
    recommendations = build_list(
        ("a", "b", "clicked"), ("b", "z", "clicked"), ("c", "a", "clicked"), ("d", "d", "bought_once"), ("e", None, "x")
    )
    assert replace_circular_reasons(recommendations, TEXTS.__getitem__) is recommendations


def test_reasons_without_names_form_no_circle() -> None:
    """A product that was bought once has a reason without the name of another product."""
    recommendations = build_list(("a", "b", "bought_once"), ("b", "a", "clicked"))
    assert replace_circular_reasons(recommendations, TEXTS.__getitem__) is recommendations


def test_copied_reasons_are_of_same_source() -> None:
    """A pinned product keeps its reason, and a product that the other list lacks as well."""
    recommendations = build_list(("a", "b", "clicked"), ("b", "z", "clicked"), ("c", None, "x"))
    source_list = build_list(("b", None, "clicked_before"), ("a", None, "bought_before")).assign(
        reason="another reason"
    )
    sources = ["model", "pinned", "model"]
    result = copy_reasons(recommendations.assign(source=sources), source_list.assign(source="model"))
    assert list(result["reason"]) == ["another reason", "a reason", "a reason"]
    assert list(result["reason_key"]) == ["bought_before", "clicked", "x"]
    assert list(result["product_id"]) == ["a", "b", "c"]
