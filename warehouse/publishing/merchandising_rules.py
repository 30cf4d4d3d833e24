"""Merchandising rules for lists that are ranked in Python, such as recommendations for a basket."""

import heapq
from collections import Counter, deque
from collections.abc import Collection, Container, Iterable, Iterator
from itertools import islice

import pandas as pd

MAX_PROMOTION_LOOKAHEAD = 300
"""Products that may stand before a promoted one in the ranking, as many as the model keeps candidates of a customer."""


class MerchandisingRules:
    """Which products a list can have, their pins, boosts and promotions, and the caps of categories and brands."""

    def __init__(self, rules: pd.DataFrame) -> None:
        """Index the rows of `rec_product_rules`."""
        recommendable = rules[rules["is_recommendable"]]
        self.recommendable_products = frozenset(recommendable["product_id"])
        pinned = recommendable[recommendable["pinned_position"].notna()].sort_values(["pinned_position", "product_id"])
        self._pin_positions = dict(zip(pinned["product_id"], pinned["pinned_position"].astype(int), strict=True))
        self._boost_factors = _index_values(recommendable, "boost_factor")
        self._promoted_every = _index_values(recommendable, "promoted_every")
        self._caps_by_product: dict[str, list[tuple[tuple[str, str], int]]] = {}
        self._max_list_length = len(recommendable)
        for facet in ("category", "brand"):
            capped = recommendable[recommendable[f"{facet}_cap"].notna()]
            max_capped = capped.groupby(facet)[f"{facet}_cap"].agg(["size", "max"]).min(axis=1).sum()
            self._max_list_length = min(self._max_list_length, len(recommendable) - len(capped) + int(max_capped))
            for product, value, cap in zip(
                capped["product_id"], capped[facet], capped[f"{facet}_cap"].astype(int), strict=True
            ):
                self._caps_by_product.setdefault(product, []).append(((facet, value), cap))

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
        is_boosted: bool = False,
    ) -> list[str]:
        """Apply the rules to a ranking; return a list of at most `n` products, best first.

        The steps are those of the int_recommendations_ models. First the pinned products are selected, then the
        products of the ranking in the order after boosts; a product is skipped if it is not recommendable or over a
        cap. A product within the cap of its category uses a place of it, even if the cap of its brand then drops the
        product. Promoted products then move up. At last the pinned products are inserted at their positions. All pinned
        products take part for every `n`, so that a list is the beginning of every longer list.

        Args:
            ranked: Products, best first; only as many as necessary are read.
            n: Maximum length of the list.
            allowed_products: If given, only these products are selected.
            excluded_products: These products are not selected.
            is_boosted: Whether the ranking has the boosts already, as that of the popular products.
        """
        excluded = frozenset(excluded_products)
        facet_counts: Counter[tuple[str, str]] = Counter()

        def is_within_caps(product: str) -> bool:
            # The category comes first; only a product within its cap counts for the brand.
            for facet, cap in self._caps_by_product.get(product, []):
                facet_counts[facet] += 1
                if facet_counts[facet] > cap:
                    return False
            return True

        def select_within_caps(products: Iterable[str]) -> Iterator[str]:
            for product in products:
                if (
                    product in self.recommendable_products
                    and product not in excluded
                    and (allowed_products is None or product in allowed_products)
                    and is_within_caps(product)
                ):
                    yield product

        pinned = list(select_within_caps(self._pin_positions))
        others = (product for product in ranked if product not in self._pin_positions)
        unpinned = self._iter_promoted(select_within_caps(others if is_boosted else self._iter_boosted(others)))
        # If the caps allow fewer than n products, this bound avoids reading the whole ranking.
        products = list(islice(unpinned, min(n, self._max_list_length - len(pinned))))
        index = -1
        for product in pinned:
            index = max(index + 1, self._pin_positions[product] - 1)
            products.insert(index, product)
        return products[:n]

    def _iter_boosted(self, ranked: Iterable[str]) -> Iterator[str]:
        """Yield the products of a ranking in the order after boosts; of two at one place, the later one first."""
        if all(factor == 1 for factor in self._boost_factors.values()):
            yield from ranked
            return
        max_factor = max(1.0, *self._boost_factors.values())
        waiting: list[tuple[float, int, str]] = []
        for rank, product in enumerate(ranked, start=1):
            heapq.heappush(waiting, (rank / self._boost_factors.get(product, 1), -rank, product))
            # The next products of the ranking cannot come before this place.
            while waiting and waiting[0][0] < (rank + 1) / max_factor:
                yield heapq.heappop(waiting)[2]
        while waiting:
            yield heapq.heappop(waiting)[2]

    def _iter_promoted(self, products: Iterator[str]) -> Iterator[str]:
        """Yield the products so that the g-th promoted one has at most the place g * promoted_every."""
        if not self._promoted_every:
            yield from products
            return
        every = int(next(iter(self._promoted_every.values())))
        passed: deque[str] = deque()
        place, promoted_count = 0, 0
        has_more = True
        while True:
            place += 1
            product = None
            if promoted_count < place // every and has_more:
                while product is None and len(passed) < MAX_PROMOTION_LOOKAHEAD:
                    candidate = next(products, None)
                    if candidate is None:
                        break
                    if candidate in self._promoted_every:
                        product = candidate
                    else:
                        passed.append(candidate)
                has_more = product is not None
            if product is None:
                product = passed.popleft() if passed else next(products, None)
            if product is None:
                return
            promoted_count += product in self._promoted_every
            yield product

    def is_pinned(self, product_id: str) -> bool:
        """Return whether the product has a fixed position in every list."""
        return product_id in self._pin_positions


def _index_values(rules: pd.DataFrame, column: str) -> dict[str, float]:
    """Return the values of a column by product, without missing ones."""
    # A copy that an earlier version of RecoMart published has neither boosts nor promotions.
    rows = rules[rules[column].notna()] if column in rules else rules[:0].assign(**{column: 0})
    return dict(zip(rows["product_id"], rows[column].astype(float), strict=True))
