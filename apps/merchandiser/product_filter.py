"""Filtering and display columns of recommendations."""

from dataclasses import dataclass

import pandas as pd

EXPORT_COLUMNS = [
    "rank",
    "product_id",
    "product_name",
    "category",
    "brand",
    "price",
    "currency",
    "score",
    "relative_score",
    "source",
    "reason",
]
SOURCE_LABELS = {
    "model": "Personal",
    "popularity": "Popular",
    "pinned": "Pinned",
    "joint_orders": "Bought together",
    "purchases": "Bought before",
    "views": "Viewed before",
}


@dataclass(frozen=True)
class ProductFilter:
    """Conditions on recommended products; an empty selection keeps all products."""

    categories: tuple[str, ...] = ()
    brands: tuple[str, ...] = ()
    min_price: float | None = None
    max_price: float | None = None

    def is_active(self) -> bool:
        """Return whether there is any condition."""
        return self != ProductFilter()

    def apply(self, recommendations: pd.DataFrame) -> pd.DataFrame:
        """Return the matching rows with their original ranks; a price limit excludes products without a price."""
        is_kept = pd.Series(True, index=recommendations.index)
        if self.categories:
            is_kept &= recommendations["category"].isin(self.categories)
        if self.brands:
            is_kept &= recommendations["brand"].isin(self.brands)
        if self.min_price is not None:
            is_kept &= recommendations["price"] >= self.min_price
        if self.max_price is not None:
            is_kept &= recommendations["price"] <= self.max_price
        return recommendations[is_kept]


def add_display_columns(recommendations: pd.DataFrame) -> pd.DataFrame:
    """Return rows of `rec_top_n` or `rec_popular_products` with a relative score and a label for the source.

    `relative_score` is the score as a percentage of the list's best score of the same source, because the sources have
    different scales. A pinned product has no score, because its rank does not come from a score.
    """
    source = recommendations["source"]
    is_pinned = source == "pinned"
    score = recommendations["score"].clip(lower=0)
    best = score.groupby(source).transform("max")
    displayed = recommendations.assign(
        score=recommendations["score"].mask(is_pinned),
        relative_score=(100 * score / best.where(best > 0)).fillna(0).round().astype("Int64").mask(is_pinned),
        source=source.map(SOURCE_LABELS).fillna(source),
    )
    has_currency = "currency" in displayed and displayed["currency"].notna().any()
    columns = [name for name in EXPORT_COLUMNS if name != "currency" or has_currency]
    return displayed[columns]
