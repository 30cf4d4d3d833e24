"""Temporal evaluation: rank products with the data before a window, and compare with the relevant products in it."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
from torch import Tensor

from models_ml.config import TrainConfig
from models_ml.data.category_mix import encode_categories
from models_ml.data.dataset import TABLE_LAYOUTS, Dataset, require_columns
from models_ml.data.feature_matrix import FeatureMatrix, build_customer_features
from models_ml.data.id_map import IdMap
from models_ml.data.interactions import Interactions
from models_ml.data.item_features import ItemFeatures
from models_ml.data.sparse import Csr
from models_ml.errors import ModelError
from models_ml.evaluation.metrics import RankingMetrics, compute_accuracy, compute_ranking_metrics
from models_ml.evaluation.ranking import Ranking
from models_ml.inference.reranking import Reranker
from models_ml.inference.scoring import rank_top_n
from models_ml.neighbors.item_graph import ItemGraph
from models_ml.ranking_model import RankingModel


@dataclass(frozen=True)
class EvaluationWindow:
    """Customers of a window with their interactions before it and their relevant products in it.

    All new products of a customer are relevant, and in a shop with repeat purchases those that the customer buys again.
    Of the customer's history, methods rank only the products that are due at the cutoff, as in published lists. A known
    customer has a history at the cutoff; a new customer has none. Per-customer rows are in this order: known customers
    by id, then new customers by id.
    """

    cutoff: str
    """Name of the cutoff at which the window starts."""
    interactions: Interactions
    """Interactions before the window."""
    catalog: IdMap
    """Products that exist before the window, including products without interactions."""
    product_features: pa.Table
    """Rows of a dataset's `product_features` in the order of the catalog; nulls for a product without such a row."""
    features: pa.Table
    """Rows of a dataset's `features`."""
    known_positions: Tensor
    """int64 positions of the known customers in `interactions.users`, ascending."""
    customer_ids: pa.Array
    """Ids of all customers, known and new."""
    pairs: pa.Table
    """Relevant pairs (user_id, product_id, is_repeat), ordered by customer, then product."""

    @classmethod
    def create(
        cls,
        cutoff: str,
        interactions: Interactions,
        product_features: pa.Table,
        pairs: pa.Table,
        max_users: int,
        features: pa.Table | None = None,
    ) -> "EvaluationWindow | None":
        """Return the window, or None when no known customer has a relevant product in it.

        `interactions`, `product_features`, `pairs` (rows of marts.ml_evaluation_pairs) and `features` (None when
        nothing is declared) are those of `cutoff`. Without a column is_repeat, all pairs are new. The window has at
        most `max_users` known and at most `max_users` new customers, sampled evenly by id. A customer whose
        `is_known_user` contradicts `interactions` is left out.

        Raises:
            ModelError: A column is missing, or a pair occurs twice.
        """
        require_columns(product_features, ("product_id", "popularity"), "the product features")
        require_columns(pairs, ("user_id", "product_id", "is_known_user"), "the evaluation pairs")
        if "is_repeat" not in pairs.column_names:
            pairs = pairs.append_column("is_repeat", pa.repeat(False, pairs.num_rows))
        has_history = pc.is_in(pairs["user_id"], interactions.users.ids)
        known_pairs = _limit_customers(pairs.filter(pc.and_(pairs["is_known_user"], has_history)), max_users)
        new_pairs = _limit_customers(pairs.filter(pc.invert(pc.or_(pairs["is_known_user"], has_history))), max_users)
        if not known_pairs.num_rows:
            return None
        relevant = pa.concat_tables([known_pairs, new_pairs])
        if relevant.group_by(["user_id", "product_id"]).aggregate([]).num_rows < relevant.num_rows:
            raise ModelError(f"the evaluation pairs of {cutoff!r} repeat a pair. Give one row per pair")
        feature_ids = product_features["product_id"].cast(pa.large_string()).combine_chunks()
        catalog = IdMap(pa.concat_arrays([feature_ids, interactions.products.ids]), "product")
        feature_rows = pc.index_in(catalog.ids, value_set=feature_ids)
        known_positions = np.unique(interactions.users.get_positions(known_pairs["user_id"]))
        return cls(
            cutoff,
            interactions,
            catalog,
            product_features.take(feature_rows),
            TABLE_LAYOUTS["features"].schema.empty_table() if features is None else features,
            torch.from_numpy(known_positions),
            pc.unique(relevant["user_id"].cast(pa.large_string())),
            relevant,
        )

    @classmethod
    def from_dataset(cls, dataset: Dataset, cutoff: str, max_users: int) -> "EvaluationWindow | None":
        """Return the window of a dataset at `cutoff`; see `create` for `max_users`.

        Returns None when there are no interactions before the window, or no known customer has a relevant product in
        it.

        Raises:
            ModelError: A column is missing, or a pair occurs twice.
        """
        cutoff_data = dataset.select_cutoff(cutoff)
        if not cutoff_data.interactions.num_rows:
            return None
        interactions = Interactions.from_table(cutoff_data.interactions, cutoff_data.product_features["product_id"])
        return cls.create(
            cutoff,
            interactions,
            cutoff_data.product_features,
            cutoff_data.evaluation_pairs,
            max_users,
            cutoff_data.features,
        )

    def sample_customers(self, max_customers: int) -> "EvaluationWindow":
        """Return the window with at most `max_customers` known customers, sampled evenly by id, and no new ones."""
        is_known = pc.is_in(self.pairs["user_id"].cast(pa.large_string()), self.known_customer_ids)
        pairs = _limit_customers(self.pairs.filter(is_known), max_customers)
        known_positions = np.unique(self.interactions.users.get_positions(pairs["user_id"]))
        return replace(
            self,
            known_positions=torch.from_numpy(known_positions),
            customer_ids=pc.unique(pairs["user_id"].cast(pa.large_string())),
            pairs=pairs,
        )

    def without_feature(self, feature: str) -> "EvaluationWindow":
        """Return the window without the values of one declared feature."""
        return replace(self, features=self.features.filter(pc.not_equal(self.features["feature"], feature)))

    def without_repeats(self) -> "EvaluationWindow":
        """Return the window of customers with new products, in which only new products are ranked and relevant.

        It has no customers when all relevant products are repeats.
        """
        pairs = self.pairs.filter(pc.invert(self.pairs["is_repeat"]))
        has_pairs = pc.is_in(self.customer_ids, pairs["user_id"].cast(pa.large_string()).combine_chunks())
        is_kept = torch.from_numpy(has_pairs.to_numpy(zero_copy_only=False))
        return replace(
            self,
            interactions=replace(self.interactions, repeat_scores=None, purchase_days=None, due=None),
            known_positions=self.known_positions[is_kept[: len(self.known_positions)]],
            customer_ids=self.customer_ids.filter(has_pairs),
            pairs=pairs,
        )

    def build_item_features(self, config: TrainConfig) -> ItemFeatures:
        """Return the item features at the cutoff, one row per product of `interactions`."""
        return ItemFeatures.from_tables(self.product_features, self.features, self.interactions.products, config)

    def build_customer_features(self, config: TrainConfig) -> FeatureMatrix:
        """Return the declared features at the cutoff of all customers who have some."""
        return build_customer_features(self.features, self.interactions.users, config)

    def get_feature(self, column: str) -> Tensor:
        """Return a numeric column of the product features, float32 of shape (catalog); 0 replaces null."""
        return torch.from_numpy(self.product_features[column].fill_null(0).to_numpy().astype(np.float32))

    @property
    def known_customer_ids(self) -> pa.Array:
        """Ids of the known customers."""
        return self.customer_ids[: len(self.known_positions)]

    @property
    def new_customer_count(self) -> int:
        """Number of customers without a history."""
        return len(self.customer_ids) - len(self.known_positions)

    @cached_property
    def histories(self) -> Csr:
        """Histories of the known customers, customers x products of `interactions`."""
        return self.interactions.strength.select_rows(self.known_positions)

    @cached_property
    def repeat_scores(self) -> Csr | None:
        """Repeat scores of the known customers, customers x products of `interactions`; None without repeats."""
        scores = self.interactions.repeat_scores
        return None if scores is None else scores.select_rows(self.known_positions)

    @cached_property
    def purchase_days(self) -> Csr | None:
        """Purchase days of the known customers, for the pairs of `repeat_scores`."""
        days = self.interactions.purchase_days
        return None if days is None else days.select_rows(self.known_positions)

    @cached_property
    def excluded(self) -> Csr:
        """Pairs that no method ranks: the histories without the products that are due."""
        due = self.interactions.due
        return self.histories if due is None else self.histories.without(due.select_rows(self.known_positions))

    @cached_property
    def catalog_positions(self) -> Tensor:
        """Positions in the catalog of the products of `interactions`, int64."""
        return torch.from_numpy(self.catalog.get_positions(self.interactions.products.ids))

    @cached_property
    def customer_row_of_pair(self) -> Tensor:
        """Row of each pair's customer in the per-customer order, int64 of shape (pairs), ascending."""
        rows = pc.index_in(self.pairs["user_id"].cast(pa.large_string()), value_set=self.customer_ids)
        return torch.from_numpy(rows.to_numpy().astype(np.int64))

    @cached_property
    def catalog_position_of_pair(self) -> Tensor:
        """Position of each pair's product in the catalog, int64 of shape (pairs), -1 if it is not there."""
        return torch.from_numpy(self.catalog.find_positions(self.pairs["product_id"]))

    @cached_property
    def product_customer_counts(self) -> Tensor:
        """Number of customers with each product in their history, int64 of shape (catalog)."""
        counts = torch.zeros(len(self.catalog), dtype=torch.int64)
        counts[self.catalog_positions] = torch.bincount(
            self.interactions.strength.columns, minlength=len(self.catalog_positions)
        )
        return counts

    def rank_by_model(self, model: RankingModel, customer_features: FeatureMatrix, config: TrainConfig) -> Ranking:
        """Rank the products of `interactions` for all customers by a model.

        The config's re-ranking applies to known customers. New customers without a feature that the model knows get
        recently popular products.
        """
        user_factors, device = self.fold_in_known_customers(model, customer_features), model.factors.multipliers.device
        reranker = self.build_reranker(config, device)
        ranking = self.append_new_customers(self.rank_known_by_model(model, user_factors, config, reranker), config)
        known_count = len(self.known_positions)
        features = customer_features.select(self.customer_ids.slice(known_count))
        rows = torch.nonzero(features.lengths > 0).flatten()
        if model.factors.customer_coefficients is None or not len(rows):
            return ranking
        new_factors = model.factors.fold_in(Csr.empty(len(rows), 0).to(device), features.select_rows(rows).to(device))
        top = rank_top_n(new_factors, model.factors.scoring_factors, ranking.positions.shape[1])
        by_features, rows = Ranking.from_top_n(top), rows + known_count
        ranking.positions[rows] = self.map_to_catalog(by_features.positions)
        ranking.scores[rows] = by_features.scores
        return ranking

    def fold_in_known_customers(self, model: RankingModel, customer_features: FeatureMatrix) -> Tensor:
        """Return the factors of the known customers by a model, float32 of shape (known customers, factors)."""
        device = model.factors.product_factors.device
        features = customer_features.select(self.known_customer_ids).to(device)
        return model.factors.fold_in(self.histories.to(device), features)

    def rank_known_by_model(
        self, model: RankingModel, user_factors: Tensor, config: TrainConfig, reranker: Reranker | None = None
    ) -> Ranking:
        """Rank the products of `interactions` for the known customers by a model.

        `user_factors` are those of `fold_in_known_customers`, which do not depend on the multipliers of the scores.
        """
        repeat_terms = model.weight_repeats(self.repeat_scores)
        return self.rank_for_known_customers(
            user_factors, model.factors.scoring_factors, config, model.graph, reranker, repeat_terms
        )

    def build_reranker(self, config: TrainConfig, device: torch.device) -> Reranker:
        """Return the re-ranking of lists of the products of `interactions` on `device`."""
        categories, _ = encode_categories(self.product_features["category"])
        return Reranker(config, self.interactions.strength.to(device), categories[self.catalog_positions].to(device))

    def rank_for_known_customers(
        self,
        user_factors: Tensor,
        product_factors: Tensor,
        config: TrainConfig,
        graph: ItemGraph | None = None,
        reranker: Reranker | None = None,
        repeat_terms: Csr | None = None,
    ) -> Ranking:
        """Rank the products of `interactions` for the known customers by dot products of factors.

        `user_factors` (known customers, factors) and `product_factors` (products of `interactions`, factors) are on the
        same device. The scores of a `graph` of the products are added, and the `repeat_terms` (known customers x
        products). A `reranker` puts the lists into its order.
        """
        device, n = user_factors.device, config.max_k
        histories = self.histories.to(device)
        top = rank_top_n(
            user_factors,
            product_factors,
            n if reranker is None else reranker.get_pool_size(n),
            histories,
            config.compute_block_rows(len(product_factors)),
            graph,
            self.excluded.to(device),
            None if repeat_terms is None else repeat_terms.to(device),
        )
        if reranker is not None:
            positions, scores = reranker.rerank(*top, histories)
            top = positions[:, :n], scores[:, :n]
        ranking = Ranking.from_top_n(top)
        return Ranking(self.map_to_catalog(ranking.positions), ranking.scores)

    def rank_for_all_customers(self, customer_factors: Tensor, product_factors: Tensor, config: TrainConfig) -> Ranking:
        """Rank the catalog for all customers by dot products of factors.

        The shapes are (customers, factors) for `customer_factors` and (catalog, factors) for `product_factors`.
        """
        known, new = customer_factors[: len(self.known_positions)], customer_factors[len(self.known_positions) :]
        excluded = self.excluded.remap_columns(self.catalog_positions, len(self.catalog))
        block_rows = config.compute_block_rows(len(product_factors))
        ranking = Ranking.from_top_n(rank_top_n(known, product_factors, config.max_k, excluded, block_rows))
        return ranking.append(Ranking.from_top_n(rank_top_n(new, product_factors, config.max_k, None, block_rows)))

    def rank_by_global_score(self, scores: Tensor, config: TrainConfig) -> Ranking:
        """Rank the catalog for all customers by one score per product, float32 of shape (catalog)."""
        max_excluded = int(self.excluded.lengths.max())
        # The pool is large enough to fill a list even if it contains all excluded products of the customer.
        pool = scores.sort(descending=True, stable=True).indices[: config.max_k + max_excluded].sort().values
        pool_position = torch.full((len(self.catalog),), -1)
        pool_position[pool] = torch.arange(len(pool))
        excluded = self.excluded.remap_columns(pool_position[self.catalog_positions], len(pool))
        customer_factors, pool_factors = torch.ones((len(self.known_positions), 1)), scores[pool][:, None]
        ranking = Ranking.from_top_n(
            rank_top_n(customer_factors, pool_factors, config.max_k, excluded, config.compute_block_rows(len(pool)))
        )
        positions = torch.where(ranking.positions < 0, -1, pool[ranking.positions.clamp(min=0)])
        return self._append_shared_list(Ranking(positions, ranking.scores), scores, config)

    def append_new_customers(self, ranking: Ranking, config: TrainConfig) -> Ranking:
        """Return the ranking of the known customers, followed by recently popular products for the new customers."""
        return self._append_shared_list(ranking, self.get_feature("recent_popularity"), config)

    def map_to_catalog(self, positions: Tensor) -> Tensor:
        """Return the positions in the catalog for positions among the products of `interactions`; -1 stays -1."""
        return torch.where(positions < 0, -1, self.catalog_positions[positions.clamp(min=0)])

    def find_hit_pairs(self, ranking: Ranking) -> Tensor:
        """Return the row in `pairs` of each ranked product, int64 of shape (customers, ranks), -1 if not relevant.

        The ranking may cover all customers or the known customers only.
        """
        catalog_pairs = torch.nonzero(self.catalog_position_of_pair >= 0).flatten()
        pair_keys = (self.customer_row_of_pair * len(self.catalog) + self.catalog_position_of_pair)[catalog_pairs]
        ranked_keys = torch.arange(len(ranking.positions))[:, None] * len(self.catalog) + ranking.positions
        if not len(pair_keys):
            return torch.full_like(ranked_keys, -1)
        index = torch.searchsorted(pair_keys, ranked_keys).clamp(max=len(pair_keys) - 1)
        is_hit = (pair_keys[index] == ranked_keys) & (ranking.positions >= 0)
        return torch.where(is_hit, catalog_pairs[index], -1)

    def evaluate(self, ranking: Ranking, k_values: tuple[int, ...]) -> list[RankingMetrics]:
        """Return the metrics of the ranking for the known customers at each of `k_values`."""
        return compute_ranking_metrics(*self._find_hits(ranking), k_values)

    def compute_accuracy(self, ranking: Ranking, k_values: tuple[int, ...]) -> Tensor:
        """Return the `ACCURACY_METRICS` of each known customer, float64 of shape (customers, k_values, metrics)."""
        hits, relevant_counts = self._find_hits(ranking)
        rows, ranks = torch.nonzero(hits, as_tuple=True)
        return compute_accuracy(rows, ranks, relevant_counts, k_values)

    def build_candidate_table(self, run_id: str, method: str, ranking: Ranking) -> pa.Table:
        """Return the ranking as rows of ml.evaluation_candidates."""
        is_filled = ranking.positions >= 0
        user, rank = torch.nonzero(is_filled, as_tuple=True)
        return pa.table(
            {
                "run_id": pa.repeat(run_id, len(user)),
                "cutoff": pa.repeat(self.cutoff, len(user)),
                "method": pa.repeat(method, len(user)),
                "user_id": self.customer_ids.take(pa.array(user.numpy())).cast(pa.string()),
                "product_id": self.catalog.take_ids(ranking.positions[is_filled].numpy()),
                "rank": pa.array((rank + 1).int().numpy()),
                "score": pa.array(ranking.scores[is_filled].double().numpy()),
            }
        )

    def _find_hits(self, ranking: Ranking) -> tuple[Tensor, Tensor]:
        """Return the hits, bool of shape (known customers, ranks), and each customer's number of relevant products."""
        known_count = len(self.known_positions)
        relevant_counts = torch.bincount(self.customer_row_of_pair, minlength=known_count)[:known_count]
        return self.find_hit_pairs(ranking)[:known_count] >= 0, relevant_counts

    def _append_shared_list(self, ranking: Ranking, scores: Tensor, config: TrainConfig) -> Ranking:
        """Return `ranking` with the best products by `scores` appended as the list of each new customer."""
        shared_list = Ranking.from_top_n(rank_top_n(torch.ones((1, 1)), scores[:, None], config.max_k))
        return ranking.append(shared_list.repeat(self.new_customer_count))


def _limit_customers(pairs: pa.Table, max_customers: int) -> pa.Table:
    """Return the pairs of at most `max_customers` customers, sampled evenly by id, ordered by customer and product."""
    ordered = pairs.select(["user_id", "product_id", "is_repeat"]).sort_by(
        [("user_id", "ascending"), ("product_id", "ascending")]
    )
    customers = pc.unique(ordered["user_id"])
    if len(customers) <= max_customers:
        return ordered
    sampled = np.linspace(0, len(customers) - 1, max_customers).round().astype(np.int64)
    return ordered.filter(pc.is_in(ordered["user_id"], customers.take(pa.array(sampled))))
