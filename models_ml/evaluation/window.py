"""Temporal evaluation: rank for the customers of a window with what was known before it, and count what they took."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
from torch import Tensor
from torch.nn.functional import pad

from models_ml.config import TrainConfig
from models_ml.data.dataset import Dataset, require_columns
from models_ml.data.id_map import IdMap
from models_ml.data.interactions import Interactions
from models_ml.data.item_features import ItemFeatures
from models_ml.data.sparse import Csr
from models_ml.errors import ModelError
from models_ml.evaluation.metrics import RankingMetrics, compute_ranking_metrics
from models_ml.inference.scoring import rank_top_n


@dataclass(frozen=True)
class Ranking:
    """A method's top lists for a window's customers."""

    positions: Tensor
    """int64 of shape (customers, ranks): positions in the window's catalog, -1 for none."""
    scores: Tensor

    @classmethod
    def from_top_n(cls, top: tuple[Tensor, Tensor]) -> "Ranking":
        """Take what `top_n` returns."""
        positions, scores = top
        return cls(positions.cpu(), scores.cpu())

    def repeat(self, customer_count: int) -> "Ranking":
        """Return the one list of this ranking for that many customers."""
        return Ranking(self.positions.expand(customer_count, -1), self.scores.expand(customer_count, -1))

    def append(self, others: "Ranking") -> "Ranking":
        """Return the lists of these customers, then those of others; the shorter ones end with places for none."""
        ranks = max(self.positions.shape[1], others.positions.shape[1])
        positions = [pad(one.positions, (0, ranks - one.positions.shape[1]), value=-1) for one in (self, others)]
        scores = [pad(one.scores, (0, ranks - one.scores.shape[1]), value=-torch.inf) for one in (self, others)]
        return Ranking(torch.cat(positions), torch.cat(scores))


@dataclass(frozen=True)
class EvaluationWindow:
    """The customers of one window, what they had dealt with before it, and what they newly took in it.

    Relevant are all of a customer's new products. Every method ranks without the pairs of before. Customers stand in
    this order wherever there is one row each: the known ones, who had a history, by id, then the new ones, by id.
    """

    cutoff: str
    interactions: Interactions
    catalog: IdMap
    """All products known before the window; baselines may rank those nobody known has dealt with yet."""
    product_features: pa.Table
    """Rows of ml_product_features, one for each product of the catalog in its order, nulls where it has none."""
    known_positions: Tensor
    """int64 positions in `interactions.users` of the known customers, ascending."""
    customer_ids: pa.Array
    """Ids of all customers."""
    pairs: pa.Table
    """user_id, product_id: everything relevant to the customers, in their order, then by product."""

    @classmethod
    def create(
        cls, cutoff: str, interactions: Interactions, product_features: pa.Table, pairs: pa.Table, max_users: int
    ) -> "EvaluationWindow | None":
        """Return the window, or None when no known customer with a history takes anything new in it.

        `interactions`, `product_features` and `pairs` (marts.ml_evaluation_pairs) are those of `cutoff`. Of more
        than `most_users` known or new customers, evenly spaced ones are taken.
        """
        require_columns(product_features, ("product_id", "popularity"), "the product features")
        require_columns(pairs, ("user_id", "product_id", "is_known_user"), "the evaluation pairs")
        has_history = pc.is_in(pairs["user_id"], interactions.users.ids)
        of_known = _limit_customers(pairs.filter(pc.and_(pairs["is_known_user"], has_history)), max_users)
        of_new = _limit_customers(pairs.filter(pc.invert(pc.or_(pairs["is_known_user"], has_history))), max_users)
        if not of_known.num_rows:
            return None
        relevant = pa.concat_tables([of_known, of_new])
        if relevant.group_by(["user_id", "product_id"]).aggregate([]).num_rows < relevant.num_rows:
            raise ModelError(f"the evaluation pairs of {cutoff!r} repeat a pair; they need one row per pair")
        featured = product_features["product_id"].cast(pa.large_string()).combine_chunks()
        catalog = IdMap(pa.concat_arrays([featured, interactions.products.ids]), "product")
        row_of_product = pc.index_in(catalog.ids, value_set=featured)
        users = np.unique(interactions.users.get_positions(of_known["user_id"]))
        return cls(
            cutoff,
            interactions,
            catalog,
            product_features.take(row_of_product),
            torch.from_numpy(users),
            pc.unique(relevant["user_id"].cast(pa.large_string())),
            relevant,
        )

    @classmethod
    def from_dataset(cls, dataset: Dataset, cutoff: str, max_users: int) -> "EvaluationWindow | None":
        """Return the window of that name, or None when there are no interactions before it or nobody to measure."""
        known = dataset.select_cutoff(cutoff)
        if not known.interactions.num_rows:
            return None
        interactions = Interactions.from_table(known.interactions, known.product_features["product_id"])
        return cls.create(cutoff, interactions, known.product_features, known.evaluation_pairs, max_users)

    def build_item_features(self, config: TrainConfig) -> ItemFeatures:
        """Return what was known before the window of the products of `interactions`."""
        return ItemFeatures.from_table(self.product_features, self.interactions.products, config)

    def get_feature(self, column: str) -> Tensor:
        """Return a number of the product features, float32 of shape (catalog), 0 where it is unknown."""
        return torch.from_numpy(self.product_features[column].fill_null(0).to_numpy().astype(np.float32))

    @property
    def new_customer_count(self) -> int:
        """How many customers have no history."""
        return len(self.customer_ids) - len(self.known_positions)

    @cached_property
    def seen(self) -> Csr:
        """The known customers' rows of the interactions."""
        return self.interactions.strength.select_rows(self.known_positions)

    @cached_property
    def catalog_positions(self) -> Tensor:
        """int64 positions in the catalog of the interactions' products."""
        return torch.from_numpy(self.catalog.get_positions(self.interactions.products.ids))

    @cached_property
    def pair_rows(self) -> Tensor:
        """int64 of shape (pairs): which customer each pair is of, ascending."""
        rows = pc.index_in(self.pairs["user_id"].cast(pa.large_string()), value_set=self.customer_ids)
        return torch.from_numpy(rows.to_numpy().astype(np.int64))

    @cached_property
    def pair_products(self) -> Tensor:
        """int64 of shape (pairs): each pair's position in the catalog, -1 where it is not in it."""
        return torch.from_numpy(self.catalog.find_positions(self.pairs["product_id"]))

    @cached_property
    def product_customer_counts(self) -> Tensor:
        """int64 of shape (catalog): how many customers had dealt with each product."""
        customers = torch.zeros(len(self.catalog), dtype=torch.int64)
        customers[self.catalog_positions] = torch.bincount(
            self.interactions.strength.columns, minlength=len(self.catalog_positions)
        )
        return customers

    def rank_factors(self, user_factors: Tensor, product_factors: Tensor, config: TrainConfig) -> Ranking:
        """Rank for the known customers by the dot products of factors: theirs, and the interactions' products'."""
        seen = self.seen.to(user_factors.device)
        ranking = Ranking.from_top_n(
            rank_top_n(
                user_factors, product_factors, get_max_k(config), seen, config.compute_block_rows(len(product_factors))
            )
        )
        return Ranking(self.map_to_catalog(ranking.positions), ranking.scores)

    def rank_catalog(self, customer_factors: Tensor, product_factors: Tensor, config: TrainConfig) -> Ranking:
        """Rank for all customers by the dot products of factors: theirs, and the whole catalog's."""
        known, new = customer_factors[: len(self.known_positions)], customer_factors[len(self.known_positions) :]
        columns = self.catalog_positions[self.seen.columns.long()].int()
        seen = Csr(self.seen.row_starts, columns, self.seen.values, len(self.catalog))
        block_rows = config.compute_block_rows(len(product_factors))
        ranking = Ranking.from_top_n(rank_top_n(known, product_factors, get_max_k(config), seen, block_rows))
        return ranking.append(Ranking.from_top_n(rank_top_n(new, product_factors, get_max_k(config), None, block_rows)))

    def rank_by_global_score(self, scores: Tensor, config: TrainConfig) -> Ranking:
        """Rank for all customers by what a product is worth to anybody, float32 of shape (catalog)."""
        longest = int(self.seen.lengths.max())
        # Nobody's list reaches further down than this, and in a large catalog it is little.
        pool = scores.sort(descending=True, stable=True).indices[: get_max_k(config) + longest].sort().values
        place = torch.full((len(self.catalog),), -1)
        place[pool] = torch.arange(len(pool))
        columns = place[self.catalog_positions[self.seen.columns.long()]]
        rows, columns = self.seen.row_of_entry[columns >= 0], columns[columns >= 0]
        seen = Csr.from_pairs(rows, columns, torch.ones(len(rows)), (len(self.known_positions), len(pool)))
        everybody, of_pool = torch.ones((len(self.known_positions), 1)), scores[pool][:, None]
        ranking = Ranking.from_top_n(
            rank_top_n(everybody, of_pool, get_max_k(config), seen, config.compute_block_rows(len(pool)))
        )
        positions = torch.where(ranking.positions < 0, -1, pool[ranking.positions.clamp(min=0)])
        return self._append_new_customers(Ranking(positions, ranking.scores), scores, config)

    def append_new_customers(self, ranking: Ranking, config: TrainConfig) -> Ranking:
        """Return the ranking for known customers, followed by what new ones are shown: what is popular of late."""
        return self._append_new_customers(ranking, self.get_feature("recent_popularity"), config)

    def _append_new_customers(self, ranking: Ranking, scores: Tensor, config: TrainConfig) -> Ranking:
        shown = Ranking.from_top_n(rank_top_n(torch.ones((1, 1)), scores[:, None], get_max_k(config)))
        return ranking.append(shown.repeat(self.new_customer_count))

    def map_to_catalog(self, positions: Tensor) -> Tensor:
        """Return positions among the interactions' products (-1 for none) as positions in the catalog."""
        return torch.where(positions < 0, -1, self.catalog_positions[positions.clamp(min=0)])

    def find_hit_pairs(self, ranking: Ranking) -> Tensor:
        """Return which of `pairs` each place of the lists hits, int64 of shape (customers, ranks), -1 for none.

        A ranking for the known customers alone will do.
        """
        can_be_hit = torch.nonzero(self.pair_products >= 0).flatten()
        keys = (self.pair_rows * len(self.catalog) + self.pair_products)[can_be_hit]
        wanted = torch.arange(len(ranking.positions))[:, None] * len(self.catalog) + ranking.positions
        if not len(keys):
            return torch.full_like(wanted, -1)
        place = torch.searchsorted(keys, wanted).clamp(max=len(keys) - 1)
        is_hit = (keys[place] == wanted) & (ranking.positions >= 0)
        return torch.where(is_hit, can_be_hit[place], -1)

    def measure(self, ranking: Ranking, k_values: tuple[int, ...]) -> list[RankingMetrics]:
        """Return the ranking's metrics for the known customers at every cut-off."""
        known = len(self.known_positions)
        hits = self.find_hit_pairs(ranking)[:known] >= 0
        return compute_ranking_metrics(hits, torch.bincount(self.pair_rows, minlength=known)[:known], k_values)

    def build_candidate_table(self, run_id: str, method: str, ranking: Ranking) -> pa.Table:
        """Return the ranking as rows of ml.evaluation_candidates."""
        found = ranking.positions >= 0
        user, rank = torch.nonzero(found, as_tuple=True)
        return pa.table(
            {
                "run_id": pa.repeat(run_id, len(user)),
                "cutoff": pa.repeat(self.cutoff, len(user)),
                "method": pa.repeat(method, len(user)),
                "user_id": self.customer_ids.take(pa.array(user.numpy())).cast(pa.string()),
                "product_id": self.catalog.take_ids(ranking.positions[found].numpy()),
                "rank": pa.array((rank + 1).int().numpy()),
                "score": pa.array(ranking.scores[found].double().numpy()),
            }
        )


def get_max_k(config: TrainConfig) -> int:
    """Return how long evaluation's top lists are: the largest cut-off."""
    return max(config.k_values)


def _limit_customers(pairs: pa.Table, max_customers: int) -> pa.Table:
    """Return the pairs in order, of at most that many customers."""
    ordered = pairs.select(["user_id", "product_id"]).sort_by([("user_id", "ascending"), ("product_id", "ascending")])
    customers = pc.unique(ordered["user_id"])
    if len(customers) <= max_customers:
        return ordered
    chosen = np.linspace(0, len(customers) - 1, max_customers).round().astype(np.int64)
    return ordered.filter(pc.is_in(ordered["user_id"], customers.take(pa.array(chosen))))
