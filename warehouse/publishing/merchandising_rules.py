"""The shop's rules over a list that is made outside SQL, for somebody with a basket."""

from collections import Counter
from collections.abc import Collection, Container, Iterable, Iterator
from itertools import islice

import pandas as pd

PINNED_REASON = "Chosen by the shop"
"""Why a pinned product is offered, as in `rec_top_n`."""


class MerchandisingRules:
    """What may be offered, what is pinned for everybody, and how much of a category or brand a list holds."""

    def __init__(self, rules: pd.DataFrame) -> None:
        """Take the rows of `rec_product_rules`."""
        offered = rules[rules["is_recommendable"]]
        self.recommendable_products = frozenset(offered["product_id"])
        pinned = offered[offered["pinned_position"].notna()].sort_values(["pinned_position", "product_id"])
        self._pin_positions = dict(zip(pinned["product_id"], pinned["pinned_position"].astype(int), strict=True))
        self._caps_by_product: dict[str, list[tuple[tuple[str, str], int]]] = {}
        self._max_list_length = len(offered)
        for facet in ("category", "brand"):
            capped = offered[offered[f"{facet}_cap"].notna()]
            room = capped.groupby(facet)[f"{facet}_cap"].agg(["size", "max"]).min(axis=1).sum()
            self._max_list_length = min(self._max_list_length, len(offered) - len(capped) + int(room))
            for product, value, cap in zip(
                capped["product_id"], capped[facet], capped[f"{facet}_cap"].astype(int), strict=True
            ):
                self._caps_by_product.setdefault(product, []).append(((facet, value), cap))

    @property
    def pinned_products(self) -> frozenset[str]:
        """Products that have a place of their own in everybody's list."""
        return frozenset(self._pin_positions)

    def apply(
        self,
        ranked: Iterable[str],
        n: int,
        *,
        allowed_products: Container[str] | None = None,
        excluded_products: Collection[str] = (),
    ) -> list[str]:
        """The list of at most `n` products that the rules make of a ranking, best first.

        As int_recommendations_capped and int_recommendations_ranked do it: pins first, then down the ranking, passing
        over what may not be offered and what finds its category or brand full; then the pins go to their places. All
        pins take part, so that a list is the beginning of every longer one. Listed is what is among `only`, when given,
        and not among `without`. No more of the ranking is read than is needed.
        """
        excluded = frozenset(excluded_products)
        taken: Counter[tuple[str, str]] = Counter()

        def select_within_caps(products: Iterable[str]) -> Iterator[str]:
            for product in products:
                if (
                    product not in self.recommendable_products
                    or product in excluded
                    or (allowed_products is not None and product not in allowed_products)
                ):
                    continue
                caps = self._caps_by_product.get(product, [])
                if all(taken[facet] < cap for facet, cap in caps):
                    taken.update(facet for facet, _ in caps)
                    yield product

        pinned = list(select_within_caps(self._pin_positions))
        others = select_within_caps(product for product in ranked if product not in self._pin_positions)
        # Where caps leave less than n, the whole ranking would be read in vain.
        listed = list(islice(others, min(n, self._max_list_length - len(pinned))))
        index = -1
        for product in pinned:
            index = max(index + 1, self._pin_positions[product] - 1)
            listed.insert(index, product)
        return listed[:n]

    def is_pinned(self, product_id: str) -> bool:
        """Whether the product has a place of its own in everybody's list."""
        return product_id in self._pin_positions
