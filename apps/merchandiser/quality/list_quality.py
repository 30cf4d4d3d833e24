"""Sections of the quality page about the measured lists: their products, and the ranking of new and repeat products."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
import streamlit as st

from apps.merchandiser.quality.metric_tables import MODEL_METHOD, label_method
from apps.merchandiser.table_columns import format_share

LIST_METRIC_LABELS = {
    "coverage": ("Coverage", "Share of the products that are in at least one list."),
    "top_product_share": ("Most listed product", "Share of the lists that contain the most listed product."),
    "top_ten_share": (
        "Ten most listed products",
        "Share of all list places that the ten most listed products have; the lower, the less the lists repeat each "
        "other.",
    ),
    "diversity": (
        "Diversity",
        "How different the products of one list are: at 100%, no two of them have a customer in common.",
    ),
    "category_match": (
        "Category match",
        "How well the categories of a list match the customer's history: 100% is the same mix, 0% no common category.",
    ),
    "serendipity": (
        "Serendipity",
        "Share of the list places with a product of interest that a list of the most popular products lacks.",
    ),
}
"""Label and explanation of columns of `eval_ranking_metrics` that describe whole lists; each is a share."""

PURCHASE_METRICS = {
    "hit_rate": ("customers with a hit", "Share of the customers whose list has at least one {product} of interest."),
    "recall": ("recall", "Share of the {product}s of interest that were recommended."),
    "precision": ("precision", "Share of the list places with a {product} of interest."),
}
"""Label and explanation of columns of `eval_ranking_metrics` that are shares, for the products of one segment value."""

PURCHASE_SEGMENTS = {"new": ("New products", "new product"), "repeat": ("Repeat products", "repeat product")}
"""Values of the segment `purchase`, with the text of a heading and that of a sentence."""


def show_lists(metrics: pd.DataFrame, best_baseline: str | None, k: int) -> None:
    """Show how varied and concentrated the lists are, and how they suit the customers."""
    table = build_list_table(metrics, best_baseline, k)
    if table.empty:
        return
    st.subheader("Variety and fit of the lists", anchor=False)
    st.caption(
        f"The same measured lists, {k} products for each customer. Today's recommendations are below, in Catalog "
        "coverage. More variety is not better by itself: random lists have the most."
    )
    st.table(table, hide_index=True, width="content", alt="Variety and fit of the lists")


def build_list_table(metrics: pd.DataFrame, best_baseline: str | None, k: int) -> pd.DataFrame:
    """Return one row per metric of `LIST_METRIC_LABELS`, with a column of texts per compared method.

    `metrics` are rows of `eval_ranking_metrics` of segment all; `best_baseline` is a method. Metrics without a value,
    such as those of categories in a shop without them, have no row.
    """
    values_by_method = metrics[metrics["k"] == k].set_index("method")
    rows = [
        {"Metric": label, **_format_methods(values_by_method[column], best_baseline), "Meaning": meaning}
        for column, (label, meaning) in LIST_METRIC_LABELS.items()
        # A copy that an earlier version of RecoMart published lacks newer metrics.
        if column in values_by_method and values_by_method[column].notna().any()
    ]
    return pd.DataFrame(rows)


def show_purchases(
    metrics: pd.DataFrame, shop_repeats: Mapping[str, Any] | None, best_baseline: str | None, k: int
) -> None:
    """Show the ranking metrics of new and of repeat products; nothing in a shop without repeat purchases."""
    table = build_purchase_table(metrics, best_baseline, k)
    if table.empty:
        return
    st.subheader("New and repeat products", anchor=False)
    share = f"{format_share(shop_repeats['repeat_share'])} of the purchases are repeats. " if shop_repeats else ""
    st.caption(
        f"{share}The same measured lists, {k} products for each customer: the metrics of products that are new to the "
        "customer, and of products that the customer bought again. Both compete for the same list places."
    )
    st.table(table, hide_index=True, width="content", alt="New and repeat products")


def build_purchase_table(metrics: pd.DataFrame, best_baseline: str | None, k: int) -> pd.DataFrame:
    """Return one row per metric of `PURCHASE_METRICS` and kind of product, with a column of texts per compared method.

    `metrics` are rows of `eval_ranking_metrics` of segment purchase.
    """
    rows = []
    for value, (heading, product) in PURCHASE_SEGMENTS.items():
        values_by_method = metrics[(metrics["segment_value"] == value) & (metrics["k"] == k)].set_index("method")
        if not values_by_method.empty:
            rows += [
                {
                    "Metric": f"{heading}: {label}",
                    **_format_methods(values_by_method[column], best_baseline),
                    "Meaning": meaning.format(product=product),
                }
                for column, (label, meaning) in PURCHASE_METRICS.items()
            ]
    return pd.DataFrame(rows)


def _format_methods(value_by_method: pd.Series, best_baseline: str | None) -> dict[str, str]:
    """Return the texts of the model, popularity and the best baseline, by label."""
    labels = {MODEL_METHOD: label_method(MODEL_METHOD), "popularity": label_method("popularity")}
    if best_baseline is not None:
        labels[best_baseline] = f"{label_method(best_baseline)} (best baseline)"
    return {label: format_share(value_by_method.get(method)) for method, label in labels.items()}
