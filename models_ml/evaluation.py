"""Temporal evaluation: rank for the customers of a window with what was known before it, and count what they took."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
from torch import Tensor

from models_ml.columns import require_columns
from models_ml.config import TrainConfig
from models_ml.dataset import Dataset
from models_ml.errors import ModelError
from models_ml.facts import ProductFacts
from models_ml.identity import IdMap
from models_ml.interactions import Interactions
from models_ml.metrics import RankingMetrics, ranking_metrics
from models_ml.scoring import top_n
from models_ml.sparse import Csr


@dataclass(frozen=True)
class Ranking:
    """A method's top lists for a window's users."""

    positions: Tensor
    """int64 of shape (users, ranks): positions in the window's catalog, -1 for none."""
    scores: Tensor


@dataclass(frozen=True)
class EvaluationWindow:
    """The known customers of one window, what they had dealt with before it, and what they newly took in it.

    Relevant are all of a customer's new products, those that first appear within the window included. Every method
    ranks without the pairs of before.
    """

    as_of_name: str
    interactions: Interactions
    catalog: IdMap
    """All products known before the window; baselines may rank those nobody known has dealt with yet."""
    product_features: pa.Table
    """Rows of marts.ml_product_features of the window."""
    popularity: Tensor
    """float32 of shape (catalog)."""
    users: Tensor
    """int64 positions in `interactions.users` of the evaluated customers, ascending."""
    pairs: pa.Table
    """user_id, product_id: everything relevant to the evaluated customers."""

    @classmethod
    def of(
        cls, as_of_name: str, interactions: Interactions, product_features: pa.Table, pairs: pa.Table, most_users: int
    ) -> "EvaluationWindow | None":
        """Return the window, or None when no known customer with a history takes anything new in it.

        `interactions`, `product_features` and `pairs` (marts.ml_evaluation_pairs) are those of `as_of_name`. Of more
        than `most_users` customers, evenly spaced ones are taken.
        """
        require_columns(product_features, ("product_id", "popularity"), "the product features")
        require_columns(pairs, ("user_id", "product_id", "is_known_user"), "the evaluation pairs")
        known = pairs.filter(pc.and_(pairs["is_known_user"], pc.is_in(pairs["user_id"], interactions.users.ids)))
        if not known.num_rows:
            return None
        users = np.unique(interactions.users.positions(known["user_id"]))
        if len(users) > most_users:
            users = users[np.linspace(0, len(users) - 1, most_users).round().astype(np.int64)]
            known = known.filter(pc.is_in(known["user_id"], interactions.users.take(users)))
        relevant = known.select(["user_id", "product_id"]).sort_by(
            [("user_id", "ascending"), ("product_id", "ascending")]
        )
        if relevant.group_by(["user_id", "product_id"]).aggregate([]).num_rows < relevant.num_rows:
            raise ModelError(f"the evaluation pairs of {as_of_name!r} repeat a pair; they need one row per pair")
        featured = product_features["product_id"].cast(pa.large_string()).combine_chunks()
        catalog = IdMap(pa.concat_arrays([featured, interactions.products.ids]), "product")
        popularity = torch.zeros(len(catalog))
        popularity[torch.from_numpy(catalog.positions(featured))] = torch.from_numpy(
            product_features["popularity"].to_numpy().astype(np.float32)
        )
        return cls(as_of_name, interactions, catalog, product_features, popularity, torch.from_numpy(users), relevant)

    @classmethod
    def of_dataset(cls, dataset: Dataset, as_of_name: str, most_users: int) -> "EvaluationWindow | None":
        """Return the window of that name, or None when there are no interactions before it or nobody to measure."""
        known = dataset.as_of(as_of_name)
        if not known.interactions.num_rows:
            return None
        interactions = Interactions.from_table(known.interactions, known.product_features["product_id"])
        return cls.of(as_of_name, interactions, known.product_features, known.evaluation_pairs, most_users)

    def facts(self, config: TrainConfig) -> ProductFacts:
        """Return what was known before the window of the products of `interactions`."""
        return ProductFacts.of(self.product_features, self.interactions.products, config)

    @cached_property
    def seen(self) -> Csr:
        """The evaluated users' rows of the interactions."""
        return self.interactions.strength.select_rows(self.users)

    @cached_property
    def _in_catalog(self) -> Tensor:
        return torch.from_numpy(self.catalog.positions(self.interactions.products.ids))

    @cached_property
    def _relevant(self) -> tuple[Tensor, Tensor]:
        """Return the sorted keys of the pairs that can be hit, and each user's number of relevant products."""
        of_user = self.interactions.users.positions(self.pairs["user_id"])
        rows = torch.searchsorted(self.users, torch.from_numpy(of_user))
        products = torch.from_numpy(self.catalog.find(self.pairs["product_id"]))
        keys = (rows * len(self.catalog) + products)[products >= 0]
        return keys.sort().values, torch.bincount(rows, minlength=len(self.users))

    def rank_factors(self, users: Tensor, products: Tensor, config: TrainConfig) -> Ranking:
        """Rank by the dot products of `users` (evaluated users) and `products` (of the interactions) factors."""
        seen = self.seen.to(users.device)
        positions, scores = top_n(users, products, depth(config), seen, config.block_rows(len(products)))
        positions, scores = positions.cpu(), scores.cpu()
        return Ranking(torch.where(positions < 0, -1, self._in_catalog[positions.clamp(min=0)]), scores)

    def rank_catalog(self, users: Tensor, products: Tensor, config: TrainConfig) -> Ranking:
        """Rank by the dot products of `users` (evaluated users) and `products` (whole catalog) factors."""
        columns = self._in_catalog[self.seen.columns.long()].int()
        seen = Csr(self.seen.row_starts, columns, self.seen.values, len(self.catalog))
        return Ranking(*top_n(users, products, depth(config), seen, config.block_rows(len(products))))

    def rank_popularity(self, config: TrainConfig) -> Ranking:
        """Rank by popularity."""
        return self.rank_catalog(torch.ones((len(self.users), 1)), self.popularity[:, None], config)

    def rank_oracle(self, user_factors: pa.Table, product_factors: pa.Table, config: TrainConfig) -> Ranking:
        """Rank by factors given as tables (user_id, factors) and (product_id, factors), factors a list of numbers."""
        users = _oracle_factors(user_factors, "user_id", self.interactions.users.take(self.users.numpy()), "customer")
        products = _oracle_factors(product_factors, "product_id", self.catalog.ids, "product")
        if users.shape[1] != products.shape[1]:
            raise ModelError(f"oracle factors differ in length: {users.shape[1]} and {products.shape[1]}")
        return self.rank_catalog(users, products, config)

    def measure(self, ranking: Ranking, cutoffs: tuple[int, ...]) -> list[RankingMetrics]:
        """Return the ranking's metrics at every cut-off."""
        keys, relevant = self._relevant
        wanted = torch.arange(len(self.users))[:, None] * len(self.catalog) + ranking.positions
        if len(keys):
            place = torch.searchsorted(keys, wanted).clamp(max=len(keys) - 1)
            hits = (keys[place] == wanted) & (ranking.positions >= 0)
        else:
            hits = torch.zeros_like(wanted, dtype=torch.bool)
        return ranking_metrics(hits, relevant, cutoffs)

    def candidate_table(self, run_id: str, method: str, ranking: Ranking) -> pa.Table:
        """Return the ranking as rows of ml.evaluation_candidates."""
        found = ranking.positions >= 0
        user, rank = torch.nonzero(found, as_tuple=True)
        return pa.table(
            {
                "run_id": pa.repeat(run_id, len(user)),
                "as_of_name": pa.repeat(self.as_of_name, len(user)),
                "method": pa.repeat(method, len(user)),
                "user_id": self.interactions.users.take(self.users[user].numpy()),
                "product_id": self.catalog.take(ranking.positions[found].numpy()),
                "rank": pa.array((rank + 1).int().numpy()),
                "score": pa.array(ranking.scores[found].double().numpy()),
            }
        )


def depth(config: TrainConfig) -> int:
    """Return how long evaluation's top lists are: the largest cut-off."""
    return max(config.cutoffs)


def _oracle_factors(table: pa.Table, id_column: str, ids: pa.Array, kind: str) -> Tensor:
    require_columns(table, (id_column, "factors"), f"the oracle's {kind} factors")
    oracle_ids = IdMap(table[id_column], kind)
    rows = table.sort_by(id_column)["factors"].combine_chunks()
    matrix = np.asarray(rows.flatten(), dtype=np.float32).reshape(len(rows), -1)
    return torch.from_numpy(matrix[oracle_ids.positions(ids)])
