"""Recommendations, similar products and explanations for a known customer or any basket."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import torch
from torch import Tensor

from models_ml.data.feature_matrix import FeatureMatrix, FeatureValue
from models_ml.data.id_map import IdMap, remove_row
from models_ml.data.interactions import Interactions
from models_ml.data.sparse import Csr
from models_ml.errors import ModelError
from models_ml.inference.artifact import ArtifactIds, ModelCard, build_model, read_artifact, write_artifact
from models_ml.inference.baskets import Basket, build_basket_row, build_row
from models_ml.inference.explanations import find_strongest_reasons, split_score
from models_ml.inference.reranking import Reranker
from models_ml.inference.results import (
    Contribution,
    Explanation,
    FeatureContribution,
    Recommendation,
    Recommendations,
)
from models_ml.inference.screening import ScreeningIndex
from models_ml.ranking_model import RankingModel


@dataclass(frozen=True)
class Recommender:
    """A trained model with ids and histories of customers."""

    card: ModelCard
    users: IdMap
    products: IdMap
    history: Csr
    """Interaction strengths, users x products."""
    model: RankingModel
    customer_features: FeatureMatrix
    """Declared features of customers at the training, also of customers without a history."""
    categories: Tensor | None = None
    """int64 of shape (products): the category of each product, for the calibrated re-ranking; None for other models."""
    repeat_scores: Csr | None = None
    """Probability that a customer buys a product again, users x products; None in a shop without repeat purchases."""
    is_recommendable: Tensor | None = None
    """bool of shape (products): whether a product may be recommended; None allows all products."""

    @classmethod
    def load(cls, path: Path) -> "Recommender":
        """Read an artifact folder.

        Raises:
            ModelError: The folder is incomplete, or a file is damaged, changed, or of another format version; the
                message names the file.
        """
        card, ids, tensors = read_artifact(path)
        history = Csr(tensors["row_starts"], tensors["columns"], tensors["strengths"], len(ids.products))
        features = Csr(
            tensors["feature_row_starts"],
            tensors["feature_columns"],
            tensors["feature_values"],
            len(card.customer_features),
        )
        repeat_scores = Csr(
            tensors["repeat_row_starts"], tensors["repeat_columns"], tensors["repeat_scores"], len(ids.products)
        )
        users, described = (IdMap(user_ids, "customer") for user_ids in (ids.users, ids.customers_with_features))
        values = [FeatureValue(*value) for value in card.customer_features]
        customer_features = FeatureMatrix(described, features, values)
        categories = tensors["categories"] if card.config.rerank_method == "calibrated" else None
        return cls(
            card,
            users,
            IdMap(ids.products, "product"),
            history,
            build_model(card, tensors),
            customer_features,
            categories,
            repeat_scores if card.repeat_entries else None,
        )

    def save(self, path: Path) -> None:
        """Write the artifact folder `path` atomically.

        Raises:
            ModelError: The folder exists.
        """
        factors, neighbors = self.model.factors, self.model.graph.neighbors
        coefficients = factors.customer_coefficients
        if coefficients is None:
            coefficients = torch.empty((0, self.card.config.factors))
        repeat_scores = self.repeat_scores or Csr.empty(*self.history.shape)
        tensors = {
            "product_factors": factors.product_factors,
            "multipliers": factors.multipliers,
            "eigenvalues": factors.eigenvalues,
            "product_weight": factors.confidence.product_weight,
            "graph_row_starts": neighbors.row_starts,
            "graph_columns": neighbors.columns,
            "graph_similarities": neighbors.values,
            "row_starts": self.history.row_starts,
            "columns": self.history.columns,
            "strengths": self.history.values,
            "repeat_row_starts": repeat_scores.row_starts,
            "repeat_columns": repeat_scores.columns,
            "repeat_scores": repeat_scores.values,
            "customer_coefficients": coefficients,
            "feature_row_starts": self.customer_features.matrix.row_starts,
            "feature_columns": self.customer_features.matrix.columns,
            "feature_values": self.customer_features.matrix.values,
            "categories": torch.empty(0, dtype=torch.int64) if self.categories is None else self.categories,
        }
        ids = ArtifactIds(self.users.ids, self.products.ids, self.customer_features.ids.ids)
        write_artifact(path, self.card, ids, tensors)

    @property
    def reranker(self) -> Reranker:
        """The re-ranking of the candidates."""
        categories = self.categories
        if categories is None:
            categories = torch.zeros(len(self.products), dtype=torch.int64, device=self.history.values.device)
        return Reranker(self.card.config, self.history, categories)

    def remove_customer(self, user_id: str) -> "Recommender":
        """Return a recommender without the id, the history and the features of a customer.

        The factors of the products stay: they are learned from all customers together.
        """
        users, history = remove_row(self.users, self.history, user_id)
        described, matrix = remove_row(self.customer_features.ids, self.customer_features.matrix, user_id)
        repeat_scores = None
        if self.repeat_scores is not None:
            _, repeat_scores = remove_row(self.users, self.repeat_scores, user_id)
        counts = {
            "users": history.row_count,
            "interactions": history.entry_count,
            "repeat_entries": repeat_scores.entry_count if repeat_scores else 0,
            "customers_with_features": matrix.row_count,
            "customer_feature_entries": matrix.entry_count,
        }
        return replace(
            self,
            card=self.card.model_copy(update=counts),
            users=users,
            history=history,
            repeat_scores=repeat_scores,
            customer_features=replace(self.customer_features, ids=described, matrix=matrix),
        )

    def restrict_products(self, product_ids: Collection[str]) -> "Recommender":
        """Return a recommender that recommends only these products; unknown ids are ignored.

        All other products still count in a history or a basket, and can be explained.
        """
        is_recommendable = torch.zeros(len(self.products), dtype=torch.bool, device=self.history.values.device)
        is_recommendable[self.products.get_known_positions(product_ids)] = True
        return replace(self, is_recommendable=is_recommendable)

    def filter_known_products(self, rows: pa.Table) -> pa.Table:
        """Return the `rows` (product_id, ...) whose product is known to the model."""
        return rows.filter(pc.is_in(rows["product_id"].cast(pa.large_string()), value_set=self.products.ids))

    def replace_histories(self, rows: pa.Table) -> "Recommender":
        """Return a recommender with the customers and histories of `rows`, the columns of a dataset's interactions.

        The columns user_id, product_id and strength are needed; without repeat_score, no product is bought again. Rows
        of unknown products are dropped, and customers without other rows.

        Raises:
            ModelError: No row remains. (Interactions.from_table raises it for empty `rows`.)
        """
        known_rows = self.filter_known_products(rows)
        if rows.num_rows and not known_rows.num_rows:
            raise ModelError("no product of the interactions is known to the model. Train again")
        histories = Interactions.from_table(known_rows, pa.chunked_array([self.products.ids]))
        device, repeat_scores = self.history.values.device, histories.repeat_scores
        return replace(
            self,
            users=histories.users,
            history=histories.strength.to(device),
            repeat_scores=None if repeat_scores is None else repeat_scores.to(device),
        )

    def is_known_user(self, user_id: str) -> bool:
        """Return whether the customer has a history, or features with values that the model knows."""
        return user_id in self.users or self.customer_features.find_row(user_id) is not None

    def recommend(
        self,
        *,
        user_id: str | None = None,
        basket: Basket | None = None,
        n: int = 10,
        allowed_products: Collection[str] | None = None,
        excluded_products: Collection[str] = (),
    ) -> Recommendations:
        """Return the `n` best products for a customer, for a basket, or for a customer whose history is the basket.

        A customer's declared features count. The products of the history or basket are excluded. Results are limited to
        `allowed_products` (None allows all) without `excluded_products`. Without a known product and without known
        features, the result has the most popular products.

        Raises:
            ModelError: Neither customer nor basket is given, the basket is invalid, or n is below 1.
        """
        history, features, unknown_products = self._get_history_row(user_id, basket)
        is_allowed = self._build_allowed_mask(n, allowed_products, excluded_products)
        if history is None:
            return self._recommend_popular(n, is_allowed, unknown_products)
        is_allowed[history.columns.long()] = False
        user_factors, additions = self.model.factors.fold_in(history, features)[0], self._score_by_graph(history)
        positions, scores = self._index.search(user_factors, n, is_allowed, additions)
        # Positions of the reason products, -1 without a product that adds to the score.
        reasons, shares = find_strongest_reasons(self.model, history, positions[None], features)
        ranked = zip(positions.tolist(), scores.tolist(), reasons[0].tolist(), shares[0].tolist(), strict=True)
        items = [
            Recommendation(
                self.products.get_id(position),
                score,
                reason_product_id=self.products.get_id(reason) if reason >= 0 else None,
                reason_share=share if reason >= 0 else None,
            )
            for position, score, reason, share in ranked
        ]
        return Recommendations(items, "model", unknown_products)

    def iter_ranking(
        self,
        basket: Basket,
        batch_size: int,
        *,
        user_id: str | None = None,
        allowed_products: Collection[str] | None = None,
        excluded_products: Collection[str] = (),
    ) -> Iterator[str]:
        """Yield the ids of all products that `recommend` can return for a basket or a customer with it, best first.

        The caller stops when it has enough. The first search finds `batch_size` products, each further search eight
        times as many, so that a long ranking needs few searches. Yields nothing when neither a product of the basket
        nor a feature of the customer is known. Filters and errors are those of `recommend`.
        """
        history, features, _ = self._get_history_row(user_id, basket)
        remaining = self._build_allowed_mask(batch_size, allowed_products, excluded_products)
        if history is None:
            return
        remaining[history.columns.long()] = False
        user_factors, additions = self.model.factors.fold_in(history, features)[0], self._score_by_graph(history)
        while remaining.any():
            positions, _ = self._index.search(user_factors, batch_size, remaining, additions)
            yield from self.products.take_ids(positions.numpy(force=True)).to_pylist()
            remaining[positions] = False
            batch_size *= 8

    def find_similar_products(
        self,
        product_id: str,
        n: int = 10,
        *,
        allowed_products: Collection[str] | None = None,
        excluded_products: Collection[str] = (),
    ) -> Recommendations:
        """Return the `n` products most similar to a product.

        The similarity is the cosine of the factors, plus the item graph's score for a history of the product. Cosine is
        used instead of the dot product because the norm of a product's factors grows with its number of
        interactions: by dot product, bestsellers are similar to every product. Filters are those of `recommend`. An
        unknown product and a product with factors of zero get the most popular products.

        Raises:
            ModelError: `n` is below 1.
        """
        is_allowed = self._build_allowed_mask(n, allowed_products, excluded_products)
        position = self.products.get_position(product_id) if product_id in self.products else None
        if position is None or not self._index.norms[position]:
            return self._recommend_popular(n, is_allowed, [product_id])
        is_allowed[position] = False
        is_allowed &= self._index.norms > 0
        # The index has scoring factors: product factors times the product's multiplier, which changes no cosine.
        additions = self._score_by_graph(build_row({position: 1.0}, len(self.products), is_allowed.device))
        positions, scores = self._index.search(
            self.model.factors.product_factors[position], n, is_allowed, additions, by_cosine=True
        )
        ranked = zip(positions.tolist(), scores.tolist(), strict=True)
        items = [Recommendation(self.products.get_id(similar), score) for similar, score in ranked]
        return Recommendations(items, "model", [])

    def explain(
        self,
        product_id: str,
        *,
        user_id: str | None = None,
        basket: Basket | None = None,
        repeat_scores: Mapping[str, float] | None = None,
    ) -> Explanation:
        """Return the contributions of a history, or of a basket, and of a customer's features to a product's score.

        With a customer and a basket, the basket is the customer's history, and `repeat_scores` are the repeat scores of
        its products. The contribution of a product to its own score includes its repeat term. Contributions are exact,
        by the closed form of the customer's factors (Hu, Koren, Volinsky, ICDM 2008, section 5) and the terms of the
        item graph.

        Raises:
            UnknownIdError: The product is unknown.
            ModelError: The customer or the basket is invalid, as in `recommend`.
        """
        history, features, unknown_products = self._get_history_row(user_id, basket)
        position = self.products.get_position(product_id)
        if history is None:
            return Explanation(product_id, None, [], [], "popularity", unknown_products)
        repeat_term = 0.0
        if bool((history.columns == position).any()):
            repeat_term = self.model.repeat_weight * self._get_repeat_score(product_id, user_id, basket, repeat_scores)
        parts = split_score(self.model, history, position, features, repeat_term)
        contributions = [Contribution(self.products.get_id(past), part) for past, part in parts.products]
        values = self.customer_features.values
        from_features = [
            FeatureContribution(values[column].feature, values[column].value, part) for column, part in parts.features
        ]
        return Explanation(product_id, parts.score, contributions, from_features, "model", unknown_products)

    def _get_repeat_score(
        self,
        product_id: str,
        user_id: str | None,
        basket: Basket | None,
        repeat_scores: Mapping[str, float] | None,
    ) -> float:
        """Return the given repeat score of a product, or that of the customer's own history; 0 without one."""
        if basket is not None or user_id is None or user_id not in self.users or self.repeat_scores is None:
            return (repeat_scores or {}).get(product_id, 0.0)
        row = self.users.get_position(user_id)
        column = torch.tensor([[self.products.get_position(product_id)]], device=self.history.values.device)
        return float(self.repeat_scores.slice_rows(row, row + 1).get_values(column))

    @cached_property
    def _popularity(self) -> tuple[Tensor, Tensor]:
        """Positions (int64) of all products by number of customers, descending, and these numbers."""
        customers = torch.bincount(self.history.columns, minlength=len(self.products))
        counts, order = torch.sort(customers, descending=True, stable=True)
        return order, counts

    @cached_property
    def _index(self) -> ScreeningIndex:
        """Index for exact search: products are screened in half precision and scored in full precision."""
        return ScreeningIndex.from_factors(self.model.factors.scoring_factors)

    def _score_by_graph(self, history: Csr) -> Tensor:
        """Return the item graph's scores for the single row of `history`, float32 of shape (products)."""
        scores = torch.zeros((1, len(self.products)), device=history.values.device)
        self.model.graph.add_scores(history, scores)
        return scores[0]

    def _get_history_row(self, user_id: str | None, basket: Basket | None) -> tuple[Csr | None, Csr | None, list[str]]:
        """Return the history and the features, matrices with one row, and the basket's unknown products.

        The history is None when neither a product nor a feature is known. The features are None without known ones.
        """
        if user_id is None and basket is None:
            raise ModelError("give a customer or a basket")
        features = None if user_id is None else self.customer_features.find_row(user_id)
        history, unknown_products = None, list[str]()
        if basket is not None:
            history, unknown_products = build_basket_row(
                basket, self.products, self.model.factors.confidence.mean_strength, self.history.values.device
            )
        elif user_id is not None and user_id in self.users:
            position = self.users.get_position(user_id)
            history = self.history.slice_rows(position, position + 1)
        if history is None and features is not None:
            history = self.history.slice_rows(0, 0)
            history = replace(history, row_starts=self.history.row_starts[:1].repeat(2))
        return history, features, unknown_products

    def _build_allowed_mask(
        self, n: int, allowed_products: Collection[str] | None, excluded_products: Collection[str]
    ) -> Tensor:
        """Return whether each product passes the filters, bool of shape (products)."""
        if n < 1:
            raise ModelError(f"the number of products n is {n}. Give n >= 1")
        all_products = torch.ones(len(self.products), dtype=torch.bool, device=self.history.values.device)
        is_allowed = all_products if self.is_recommendable is None else self.is_recommendable.clone()
        if allowed_products is not None:
            is_listed = torch.zeros_like(is_allowed)
            is_listed[self.products.get_known_positions(allowed_products)] = True
            is_allowed &= is_listed
        is_allowed[self.products.get_known_positions(excluded_products)] = False
        return is_allowed

    def _recommend_popular(self, n: int, is_allowed: Tensor, unknown_products: list[str]) -> Recommendations:
        order, customers = self._popularity
        best_positions = torch.nonzero(is_allowed[order]).flatten()[:n]
        ranked = zip(order[best_positions].tolist(), customers[best_positions].tolist(), strict=True)
        items = [Recommendation(self.products.get_id(position), float(score)) for position, score in ranked]
        return Recommendations(items, "popularity", unknown_products)
