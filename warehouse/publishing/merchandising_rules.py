"""Merchandising rules for lists that are ranked in Python, such as recommendations for a basket."""

from collections import Counter
from collections.abc import Collection, Container, Iterable, Iterator
from itertools import islice

import pandas as pd


class MerchandisingRules:
    """Which products can be recommended, which are pinned, and how many of a category or brand a list can have."""

    def __init__(self, rules: pd.DataFrame) -> None:
        """Index the rows of `rec_product_rules`."""
        recommendable = rules[rules["is_recommendable"]]
        self.recommendable_products = frozenset(recommendable["product_id"])
        pinned = recommendable[recommendable["pinned_position"].notna()].sort_values(["pinned_position", "product_id"])
        self._pin_positions = dict(zip(pinned["product_id"], pinned["pinned_position"].astype(int), strict=True))
        self._category_caps, max_by_category = _index_caps(recommendable, "category")
        self._brand_caps, max_by_brand = _index_caps(recommendable, "brand")
        self._max_list_length = min(max_by_category, max_by_brand)

    @property
    def pinned_products(self) -> frozenset[str]:
        """Products with a fixed position in every list."""
        return frozenset(self._pin_positions)

    def apply(
        self,
        ranked: Iterable[str],
        n: int,
        *,
        allowed_products: Container[str] | None = None,
        excluded_products: Collection[str] = (),
    ) -> list[str]:
        """Apply the rules to a ranking; return a list of at most `n` products, best first.

        The steps are those of the int_recommendations_ models. First the pinned products are selected, then the
        products of the ranking in order; a product is skipped if it is not recommendable or over a cap. A product
        within the cap of its category uses a place of it, even if the cap of its brand then drops the product. At last
        the pinned products are inserted at their positions. All pinned products take part for every `n`, so that a list
        is the beginning of every longer list.

        Args:
            ranked: Products, best first; only as many as necessary are read.
            n: Maximum length of the list.
            allowed_products: If given, only these products are selected.
            excluded_products: These products are not selected.
        """
        excluded = frozenset(excluded_products)
        category_counts: Counter[str] = Counter()
        brand_counts: Counter[str] = Counter()

        def select_within_caps(products: Iterable[str]) -> Iterator[str]:
            for product in products:
                if (
                    product in self.recommendable_products
                    and product not in excluded
                    and (allowed_products is None or product in allowed_products)
                    and _count_within_cap(category_counts, self._category_caps.get(product))
                    and _count_within_cap(brand_counts, self._brand_caps.get(product))
                ):
                    yield product

        pinned = list(select_within_caps(self._pin_positions))
        unpinned = select_within_caps(product for product in ranked if product not in self._pin_positions)
        # If the caps allow fewer than n products, this bound avoids reading the whole ranking.
        products = list(islice(unpinned, min(n, self._max_list_length - len(pinned))))
        index = -1
        for product in pinned:
            index = max(index + 1, self._pin_positions[product] - 1)
            products.insert(index, product)
        return products[:n]

    def is_pinned(self, product_id: str) -> bool:
        """Return whether the product has a fixed position in every list."""
        return product_id in self._pin_positions


def _index_caps(products: pd.DataFrame, attribute: str) -> tuple[dict[str, tuple[str, int]], int]:
    """Return the category (or brand) and its cap by product, and the length of the longest list that the caps allow."""
    capped = products[products[f"{attribute}_cap"].notna()].astype({f"{attribute}_cap": int})
    max_capped = capped.groupby(attribute)[f"{attribute}_cap"].agg(["size", "max"]).min(axis=1).sum()
    caps = zip(capped[attribute], capped[f"{attribute}_cap"], strict=True)
    return dict(zip(capped["product_id"], caps, strict=True)), len(products) - len(capped) + int(max_capped)


def _count_within_cap(counts: Counter[str], cap: tuple[str, int] | None) -> bool:
    """Count a product of a category (or brand); return whether it is within the cap."""
    if cap is None:
        return True
    value, max_products = cap
    counts[value] += 1
    return counts[value] <= max_products
