"""What is offered, as a merchandiser wants to see, narrow down and take away."""

from dataclasses import dataclass

import pandas as pd

COLUMNS = [
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
SOURCES = {"model": "Personal", "popularity": "Popular", "pinned": "Pinned"}


@dataclass(frozen=True)
class OfferFilter:
    """Which offers to keep; an empty choice keeps all."""

    categories: tuple[str, ...] = ()
    brands: tuple[str, ...] = ()
    price_from: float | None = None
    price_to: float | None = None

    def keep(self, offers: pd.DataFrame) -> pd.DataFrame:
        """The offers that pass, with the ranks they have among all; a price limit drops what has no price."""
        kept = pd.Series(True, index=offers.index)
        if self.categories:
            kept &= offers["category"].isin(self.categories)
        if self.brands:
            kept &= offers["brand"].isin(self.brands)
        if self.price_from is not None:
            kept &= offers["price"] >= self.price_from
        if self.price_to is not None:
            kept &= offers["price"] <= self.price_to
        return offers[kept]


def describe(offers: pd.DataFrame) -> pd.DataFrame:
    """Rows of `rec_top_n` or `rec_popular_products` with a relative score and words for the source.

    `relative_score` is the score in percent of the list's best score of the same source, from 0 to 100: scores of
    different sources have different scales. What is pinned has no score: none put it where it is.
    """
    source = offers["source"]
    is_pinned = source == "pinned"
    score = offers["score"].clip(lower=0)
    best = score.groupby(source).transform("max")
    described = offers.assign(
        score=offers["score"].mask(is_pinned),
        relative_score=(100 * score / best.where(best > 0)).fillna(0).round().astype("Int64").mask(is_pinned),
        source=source.map(SOURCES).fillna(source),
    )
    return described[COLUMNS]


def to_csv(table: pd.DataFrame) -> bytes:
    """A table as CSV; the byte order mark tells spreadsheets that it is UTF-8."""
    return table.to_csv(index=False).encode("utf-8-sig")
