"""What is offered, as a merchandiser wants to see, narrow down and take away."""

from dataclasses import dataclass

import pandas as pd

EXPORT_COLUMNS = [
    "rank",
    "product_id",
    "product_name",
    "category",
    "brand",
    "price",
    "score",
    "relative_score",
    "source",
    "reason",
]
SOURCE_LABELS = {"model": "Personal", "popularity": "Popular", "pinned": "Pinned"}


@dataclass(frozen=True)
class ProductFilter:
    """Which offers to keep; an empty choice keeps all."""

    categories: tuple[str, ...] = ()
    brands: tuple[str, ...] = ()
    min_price: float | None = None
    max_price: float | None = None

    def apply(self, recommendations: pd.DataFrame) -> pd.DataFrame:
        """The offers that pass, with the ranks they have among all; a price limit drops what has no price."""
        kept = pd.Series(True, index=recommendations.index)
        if self.categories:
            kept &= recommendations["category"].isin(self.categories)
        if self.brands:
            kept &= recommendations["brand"].isin(self.brands)
        if self.min_price is not None:
            kept &= recommendations["price"] >= self.min_price
        if self.max_price is not None:
            kept &= recommendations["price"] <= self.max_price
        return recommendations[kept]


def add_display_columns(recommendations: pd.DataFrame) -> pd.DataFrame:
    """Rows of `rec_top_n` or `rec_popular_products` with a relative score and words for the source.

    `relative_score` is the score in percent of the list's best score of the same source, from 0 to 100: scores of
    different sources have different scales. What is pinned has no score: none put it where it is.
    """
    source = recommendations["source"]
    is_pinned = source == "pinned"
    score = recommendations["score"].clip(lower=0)
    best = score.groupby(source).transform("max")
    described = recommendations.assign(
        score=recommendations["score"].mask(is_pinned),
        relative_score=(100 * score / best.where(best > 0)).fillna(0).round().astype("Int64").mask(is_pinned),
        source=source.map(SOURCE_LABELS).fillna(source),
    )
    return described[EXPORT_COLUMNS]


def encode_csv(table: pd.DataFrame) -> bytes:
    """A table as CSV; the byte order mark tells spreadsheets that it is UTF-8."""
    return table.to_csv(index=False).encode("utf-8-sig")
