"""Inference: recommendations for a known customer or any basket, from a model in memory or on disk."""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import torch
from torch import Tensor

from models_ml.als.confidence import Confidence
from models_ml.als.factor_model import FactorModel
from models_ml.data.id_map import IdMap
from models_ml.data.interactions import Interactions
from models_ml.data.sparse import Csr
from models_ml.errors import ModelError
from models_ml.inference.artifact import ModelCard, read_artifact, write_artifact
from models_ml.inference.explanations import find_strongest_reasons, iter_contributions
from models_ml.inference.results import Contribution, Explanation, Recommendation, Recommendations
from models_ml.inference.screening import ScreeningIndex

Basket = Sequence[str] | Mapping[str, float]
"""Product ids, or their interaction strengths by id. Without strengths each counts as the mean training strength, and
one that is named twice as twice that."""


@dataclass(frozen=True)
class Recommender:
    """A trained model with the ids and histories it was trained on."""

    card: ModelCard
    users: IdMap
    products: IdMap
    history: Csr
    """Training strengths, users x products."""
    factor_model: FactorModel
    is_recommendable: Tensor | None = None
    """bool of shape (products): which products may be in an answer; all when None."""

    @classmethod
    def load(cls, path: Path) -> "Recommender":
        """Read an artifact folder; ModelError that names the file when it is incomplete, foreign or altered."""
        card, users, products, tensors = read_artifact(path)
        history = Csr(tensors["row_starts"], tensors["columns"], tensors["strengths"], len(products))
        confidence = Confidence(
            card.mean_strength, card.config.strength_scale, card.config.user_damping, tensors["product_weight"]
        )
        model = FactorModel(
            product_factors=tensors["product_factors"],
            trends=tensors["trends"],
            eigenvalues=tensors["eigenvalues"],
            trained_products=card.trained_products,
            confidence=confidence,
            unobserved_pair_weight=card.unobserved_pair_weight,
            regularization=card.regularization,
            block_mib=card.config.block_mib,
        )
        return cls(card, IdMap(users, "customer"), IdMap(products, "product"), history, model)

    def save(self, path: Path) -> None:
        """Write the artifact folder `path`, whole or not at all; ModelError when it exists already."""
        tensors = {
            "product_factors": self.factor_model.product_factors,
            "trends": self.factor_model.trends,
            "eigenvalues": self.factor_model.eigenvalues,
            "product_weight": self.factor_model.confidence.product_weight,
            "row_starts": self.history.row_starts,
            "columns": self.history.columns,
            "strengths": self.history.values,
        }
        write_artifact(path, self.card, self.users.ids, self.products.ids, tensors)

    def restrict_products(self, product_ids: Collection[str]) -> "Recommender":
        """Return the same model with none but these products in its answers; ids that it does not know do not matter.

        The others still count in a history or a basket, and can be asked about.
        """
        offered = torch.zeros(len(self.products), dtype=torch.bool, device=self.history.values.device)
        offered[self.products.get_known_positions(product_ids)] = True
        return replace(self, is_recommendable=offered)

    def filter_known_products(self, rows: pa.Table) -> pa.Table:
        """Return those of `rows` (product_id, ...) whose product the model knows."""
        return rows.filter(pc.is_in(rows["product_id"].cast(pa.large_string()), value_set=self.products.ids))

    def replace_histories(self, rows: pa.Table) -> "Recommender":
        """Return the same model for the customers and histories of `rows` (user_id, product_id, strength).

        Products that the model does not know count in no history, and customers who dealt with no other are left out.
        Raises ModelError when nobody is left.
        """
        known = self.filter_known_products(rows)
        if rows.num_rows and not known.num_rows:
            raise ModelError("the model knows none of the products that anybody has dealt with; train anew")
        histories = Interactions.from_table(known, pa.chunked_array([self.products.ids]))
        return replace(self, users=histories.users, history=histories.strength.to(self.history.values.device))

    def is_known_user(self, user_id: str) -> bool:
        """Whether the customer was in the training rows."""
        return user_id in self.users

    def recommend(
        self,
        *,
        user_id: str | None = None,
        basket: Basket | None = None,
        n: int = 10,
        exclude_seen: bool = True,
        only: Collection[str] | None = None,
        without: Collection[str] = (),
    ) -> Recommendations:
        """Return the `n` best products for a customer or for a basket (exactly one of the two).

        With `exclude_seen`, what the customer dealt with or the basket holds is left out, and so is what is not among
        `only` (when given) or is among `without`. An unknown customer, and a basket of which no product is known, get
        the most popular products. Raises ModelError when the request is malformed.
        """
        row, unknown = self._get_history_row(user_id, basket)
        allowed = self._build_allowed_mask(n, only, without)
        if row is None:
            return self._recommend_popular(n, allowed, unknown)
        if exclude_seen:
            allowed[row.columns.long()] = False
        positions, scores = self._index.search(self.factor_model.fold_in(row)[0], n, allowed)
        reasons, shares = find_strongest_reasons(self.factor_model, row, positions[None])
        ranked = zip(positions.tolist(), scores.tolist(), reasons[0].tolist(), shares[0].tolist(), strict=True)
        items = [
            Recommendation(
                self.products.get_id(position),
                score,
                self.products.get_id(reason) if reason >= 0 else None,
                share if reason >= 0 else None,
            )
            for position, score, reason, share in ranked
        ]
        return Recommendations(items, "model", unknown)

    def iter_ranking(
        self, basket: Basket, batch_size: int, *, only: Collection[str] | None = None, without: Collection[str] = ()
    ) -> Iterator[str]:
        """Yield what `recommend` has for a basket, best first, as long as somebody goes on: ids, without any reasons.

        `portion` of them are found at first, and eight times as many whenever that was not enough. Nothing when no
        product of the basket is known.
        """
        row, _ = self._get_history_row(None, basket)
        left = self._build_allowed_mask(batch_size, only, without)
        if row is None:
            return
        left[row.columns.long()] = False
        vector = self.factor_model.fold_in(row)[0]
        while left.any():
            positions, _ = self._index.search(vector, batch_size, left)
            yield from self.products.take_ids(positions.numpy(force=True)).to_pylist()
            left[positions] = False
            batch_size *= 8

    def similar_items(
        self, product_id: str, n: int = 10, *, only: Collection[str] | None = None, without: Collection[str] = ()
    ) -> Recommendations:
        """Return the `n` products most like a product: those whose factors have the largest cosine with its own.

        The cosine, not the dot product, because a factor's length grows with what is known of a product: by dot product
        the best-known products are like everything. Filters are those of `recommend`. A product that is unknown, or of
        which training learned nothing, gets the most popular products. Raises ModelError when n is below 1.
        """
        allowed = self._build_allowed_mask(n, only, without)
        position = self.products.get_position(product_id) if product_id in self.products else None
        if position is None or not self._index.norms[position]:
            return self._recommend_popular(n, allowed, [product_id])
        allowed[position] = False
        allowed &= self._index.norms > 0
        positions, scores = self._index.search(self.factor_model.product_factors[position], n, allowed, by_cosine=True)
        ranked = zip(positions.tolist(), scores.tolist(), strict=True)
        items = [Recommendation(self.products.get_id(other), score, None, None) for other, score in ranked]
        return Recommendations(items, "model", [])

    def explain(self, product_id: str, *, user_id: str | None = None, basket: Basket | None = None) -> Explanation:
        """Return what every past interaction of a customer, or product of a basket, adds to the score of a product.

        Exact, by the closed form of the customer's factors (Hu, Koren, Volinsky 2008, section 5). Raises UnknownIdError
        when the product is unknown, ModelError when the request is malformed.
        """
        row, unknown = self._get_history_row(user_id, basket)
        position = self.products.get_position(product_id)
        if row is None:
            return Explanation(product_id, None, [], "popularity", unknown)
        score = self.factor_model.fold_in(row)[0] @ self.factor_model.scoring_factors[position]
        candidate = torch.tensor([[position]], device=row.columns.device)
        ((block, parts),) = iter_contributions(self.factor_model, row, candidate)
        ranked = sorted(
            zip(parts[0, 0].tolist(), block.products[0].tolist(), strict=True), key=lambda it: (-it[0], it[1])
        )
        return Explanation(
            product_id,
            float(score),
            [Contribution(self.products.get_id(past), part) for part, past in ranked],
            "model",
            unknown,
        )

    @cached_property
    def _popularity(self) -> tuple[Tensor, Tensor]:
        """Positions (int64) of all products, most customers first, and those numbers of customers."""
        customers = torch.bincount(self.history.columns, minlength=len(self.products))
        counts, order = torch.sort(customers, descending=True, stable=True)
        return order, counts

    @cached_property
    def _index(self) -> ScreeningIndex:
        return ScreeningIndex.from_factors(self.factor_model.scoring_factors)

    def _get_history_row(self, user_id: str | None, basket: Basket | None) -> tuple[Csr | None, list[str]]:
        """Return the one row of strengths to go by, None when nothing is known, and the unknown products."""
        if (user_id is None) == (basket is None):
            raise ModelError("ask for either a customer or a basket")
        if basket is not None:
            return build_basket_row(
                basket, self.products, self.factor_model.confidence.mean_strength, self.history.values.device
            )
        assert user_id is not None
        if not self.is_known_user(user_id):
            return None, []
        position = self.users.get_position(user_id)
        return self.history.slice_rows(position, position + 1), []

    def _build_allowed_mask(self, n: int, only: Collection[str] | None, without: Collection[str]) -> Tensor:
        """Return which products the filters leave, bool of shape (products)."""
        if n < 1:
            raise ModelError(f"ask for n >= 1 products (n is {n})")
        everything = torch.ones(len(self.products), dtype=torch.bool, device=self.history.values.device)
        allowed = everything if self.is_recommendable is None else self.is_recommendable.clone()
        if only is not None:
            named = torch.zeros_like(allowed)
            named[self.products.get_known_positions(only)] = True
            allowed &= named
        allowed[self.products.get_known_positions(without)] = False
        return allowed

    def _recommend_popular(self, n: int, allowed: Tensor, unknown: list[str]) -> Recommendations:
        order, customers = self._popularity
        best = torch.nonzero(allowed[order]).flatten()[:n]
        ranked = zip(order[best].tolist(), customers[best].tolist(), strict=True)
        items = [Recommendation(self.products.get_id(position), float(score), None, None) for position, score in ranked]
        return Recommendations(items, "popularity", unknown)


def build_basket_row(
    basket: Basket, products: IdMap, mean_strength: float, device: torch.device
) -> tuple[Csr | None, list[str]]:
    """Return the basket as a matrix of one row, None when no product of it is known, and its unknown products.

    Raises ModelError when it is no basket, or a strength is not a finite number above zero (in 32-bit precision).
    """
    if isinstance(basket, str):
        raise ModelError(f"a basket is a list of product ids, not a text: {basket!r}")
    if isinstance(basket, Mapping):
        strengths = dict(basket)
    else:
        strengths = {product: times * mean_strength for product, times in Counter(basket).items()}
    values = torch.tensor(list(strengths.values()), dtype=torch.float32)
    wrong = ~((values > 0) & values.isfinite())
    if wrong.any():
        first = list(strengths.items())[int(wrong.nonzero()[0])]
        raise ModelError(f"basket strengths must be finite numbers above zero; that of {first[0]!r} is {first[1]}")
    unknown = [product for product in strengths if product not in products]
    known = sorted((products.get_position(product), strengths[product]) for product in strengths.keys() - set(unknown))
    if not known:
        return None, unknown
    columns, known_values = zip(*known, strict=True)
    row = Csr(
        torch.tensor([0, len(known)], dtype=torch.int32, device=device),
        torch.tensor(columns, dtype=torch.int32, device=device),
        torch.tensor(known_values, dtype=torch.float32, device=device),
        len(products),
    )
    return row, unknown
