"""Inference: recommendations for a known customer or any basket, from a model in memory or on disk."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pyarrow as pa
import torch
from torch import Tensor

from models_ml.artifact import ModelCard, read_artifact, write_artifact
from models_ml.closed_form import FactorModel
from models_ml.confidence import Confidence
from models_ml.errors import ModelError
from models_ml.identity import IdMap
from models_ml.reasons import strongest_reasons
from models_ml.scoring import top_n
from models_ml.sparse import Csr


@dataclass(frozen=True)
class Recommendation:
    """One recommended product."""

    product_id: str
    score: float
    """Model score (the aim for past products is 1); for `popularity`, the number of customers."""
    reason_product_id: str | None
    """The past product that speaks for it most."""
    reason_share: float | None
    """That product's share of everything that speaks for it, in (0, 1]."""


@dataclass(frozen=True)
class Recommendations:
    """Products, best first, and what they rest on."""

    items: list[Recommendation]
    source: Literal["model", "popularity"]
    """`popularity` when the customer is unknown: the products with most customers."""
    unknown_products: list[str]
    """Products of the basket that the model does not know, which were ignored."""


@dataclass(frozen=True)
class Recommender:
    """A trained model with the ids and histories it was trained on."""

    card: ModelCard
    users: IdMap
    products: IdMap
    history: Csr
    """Training strengths, users x products."""
    model: FactorModel

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
            unobserved=card.unobserved,
            regularization=card.regularization,
            block_mib=card.config.block_mib,
        )
        return cls(card, IdMap(users, "customer"), IdMap(products, "product"), history, model)

    def save(self, path: Path) -> None:
        """Write the artifact folder `path`, whole or not at all; ModelError when it exists already."""
        tensors = {
            "product_factors": self.model.product_factors,
            "trends": self.model.trends,
            "eigenvalues": self.model.eigenvalues,
            "product_weight": self.model.confidence.product_weight,
            "row_starts": self.history.row_starts,
            "columns": self.history.columns,
            "strengths": self.history.values,
        }
        write_artifact(path, self.card, self.users.ids, self.products.ids, tensors)

    @property
    def popularity(self) -> Tensor:
        """Number of customers of each product in the training rows, float32 of shape (products)."""
        return torch.bincount(self.history.columns, minlength=len(self.products)).float()

    def knows(self, user_id: str) -> bool:
        """Whether the customer was in the training rows."""
        return user_id in self.users

    def recommend(
        self,
        *,
        user_id: str | None = None,
        basket: Sequence[str] | Mapping[str, float] | None = None,
        n: int = 10,
        exclude_seen: bool = True,
    ) -> Recommendations:
        """Return the `n` best products for a customer or for a basket (exactly one of the two).

        A basket's products may carry strengths; without, each counts as the mean training strength. With
        `exclude_seen`, what the customer dealt with or the basket holds is left out. An unknown customer gets the
        most popular products. Raises ModelError when the request is malformed or no product of the basket is known.
        """
        if n < 1 or (user_id is None) == (basket is None):
            raise ModelError(f"ask for n >= 1 products for either a customer or a basket (n is {n})")
        if basket is not None:
            row, unknown = self._basket_row(basket)
            return Recommendations(self._best(row, n, exclude_seen), "model", unknown)
        assert user_id is not None
        if not self.knows(user_id):
            return Recommendations(self._popular(n), "popularity", [])
        position = self.users.position(user_id)
        return Recommendations(
            self._best(self.history.slice_rows(position, position + 1), n, exclude_seen), "model", []
        )

    def _basket_row(self, basket: Sequence[str] | Mapping[str, float]) -> tuple[Csr, list[str]]:
        mean = self.model.confidence.mean_strength
        strengths = dict(basket) if isinstance(basket, Mapping) else dict.fromkeys(basket, mean)
        wrong = {product: value for product, value in strengths.items() if not 0 < value < float("inf")}
        if wrong:
            raise ModelError(f"basket strengths must be finite numbers above zero: {wrong}")
        unknown = [product for product in strengths if product not in self.products]
        known = sorted(
            (self.products.position(product), value) for product, value in strengths.items() if product not in unknown
        )
        if not known:
            raise ModelError(f"the model knows no product of the basket: {', '.join(unknown) or 'it is empty'}")
        device = self.history.values.device
        return Csr(
            torch.tensor([0, len(known)], dtype=torch.int32, device=device),
            torch.tensor([position for position, _ in known], dtype=torch.int32, device=device),
            torch.tensor([value for _, value in known], dtype=torch.float32, device=device),
            len(self.products),
        ), unknown

    def _best(self, row: Csr, n: int, exclude_seen: bool) -> list[Recommendation]:
        vector = self.model.user_factors(row)
        positions, scores = top_n(vector, self.model.offered_factors, n, row if exclude_seen else None)
        reasons, shares = strongest_reasons(self.model, row, positions)
        ranked = zip(positions[0].tolist(), scores[0].tolist(), reasons[0].tolist(), shares[0].tolist(), strict=True)
        return [
            Recommendation(
                self.products.at(position),
                score,
                self.products.at(reason) if reason >= 0 else None,
                share if reason >= 0 else None,
            )
            for position, score, reason, share in ranked
            if position >= 0
        ]

    def _popular(self, n: int) -> list[Recommendation]:
        one = torch.ones((1, 1), device=self.history.values.device)
        positions, scores = top_n(one, self.popularity[:, None], n)
        ranked = zip(positions[0].tolist(), scores[0].tolist(), strict=True)
        return [Recommendation(self.products.at(position), score, None, None) for position, score in ranked]


def candidate_table(recommender: Recommender, n: int, purchased: Csr) -> pa.Table:
    """Return ml.candidates for every known customer, best first, with reasons.

    A customer has the `n` best of the products they have not bought, and of those in `purchased` (users x products)
    the ones among their `n` best of all: SQL decides whether bought products may be offered, and has enough either
    way. Columns run_id, user_id, product_id, rank (from 1), score, reason_product_id, reason_share.
    """
    model, history = recommender.model, recommender.history
    factors = model.user_factors(history)
    block_rows = recommender.card.config.block_rows(len(recommender.products))
    new = top_n(factors, model.offered_factors, n, purchased, block_rows)
    best = top_n(factors, model.offered_factors, n, None, block_rows)
    positions, scores = _merged(new, best, len(recommender.products))
    reasons, shares = strongest_reasons(model, history, positions)
    found = positions >= 0
    user, rank = torch.nonzero(found, as_tuple=True)
    reason = reasons[found].cpu().numpy()
    return pa.table(
        {
            "run_id": pa.repeat(recommender.card.run_id, len(user)),
            "user_id": recommender.users.take(user.cpu().numpy()),
            "product_id": recommender.products.take(positions[found].cpu().numpy()),
            "rank": pa.array((rank + 1).int().cpu().numpy()),
            "score": pa.array(scores[found].double().cpu().numpy()),
            "reason_product_id": recommender.products.take(reason),
            "reason_share": pa.array(shares[found].double().cpu().numpy(), mask=reason < 0),
        }
    )


def _merged(one: tuple[Tensor, Tensor], other: tuple[Tensor, Tensor], products: int) -> tuple[Tensor, Tensor]:
    """Return positions and scores of both top lists as one, best first, every product once; -1 where none is left."""
    row = torch.arange(len(one[0]), device=one[0].device)[:, None] * products
    is_new = ~torch.isin(row + other[0], row + one[0]) & (other[0] >= 0)
    positions = torch.cat((one[0], other[0].where(is_new, -1)), dim=1)
    scores = torch.cat((one[1], other[1].where(is_new, -torch.inf)), dim=1)
    # Two stable sorts: by score, and by position where scores are equal.
    by_position = positions.argsort(dim=1, stable=True)
    by_score = scores.gather(1, by_position).argsort(dim=1, descending=True, stable=True)
    order = by_position.gather(1, by_score)
    return positions.gather(1, order), scores.gather(1, order)
