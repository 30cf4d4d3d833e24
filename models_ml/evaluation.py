"""Temporal evaluation: rank for the customers of a window with what was known before it, and count what they took."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
from torch import Tensor
from torch.nn.functional import pad

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
    """A method's top lists for a window's customers."""

    positions: Tensor
    """int64 of shape (customers, ranks): positions in the window's catalog, -1 for none."""
    scores: Tensor

    @classmethod
    def of(cls, top: tuple[Tensor, Tensor]) -> "Ranking":
        """Take what `top_n` returns."""
        positions, scores = top
        return cls(positions.cpu(), scores.cpu())

    def repeated(self, customers: int) -> "Ranking":
        """Return the one list of this ranking for that many customers."""
        return Ranking(self.positions.expand(customers, -1), self.scores.expand(customers, -1))

    def followed_by(self, others: "Ranking") -> "Ranking":
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

    as_of_name: str
    interactions: Interactions
    catalog: IdMap
    """All products known before the window; baselines may rank those nobody known has dealt with yet."""
    product_features: pa.Table
    """Rows of ml_product_features, one for each product of the catalog in its order, nulls where it has none."""
    users: Tensor
    """int64 positions in `interactions.users` of the known customers, ascending."""
    customers: pa.Array
    """Ids of all customers."""
    pairs: pa.Table
    """user_id, product_id: everything relevant to the customers, in their order, then by product."""

    @classmethod
    def of(
        cls, as_of_name: str, interactions: Interactions, product_features: pa.Table, pairs: pa.Table, most_users: int
    ) -> "EvaluationWindow | None":
        """Return the window, or None when no known customer with a history takes anything new in it.

        `interactions`, `product_features` and `pairs` (marts.ml_evaluation_pairs) are those of `cutoff`. Of more
        than `most_users` known or new customers, evenly spaced ones are taken.
        """
        require_columns(product_features, ("product_id", "popularity"), "the product features")
        require_columns(pairs, ("user_id", "product_id", "is_known_user"), "the evaluation pairs")
        has_history = pc.is_in(pairs["user_id"], interactions.users.ids)
        of_known = _of_customers(pairs.filter(pc.and_(pairs["is_known_user"], has_history)), most_users)
        of_new = _of_customers(pairs.filter(pc.invert(pc.or_(pairs["is_known_user"], has_history))), most_users)
        if not of_known.num_rows:
            return None
        relevant = pa.concat_tables([of_known, of_new])
        if relevant.group_by(["user_id", "product_id"]).aggregate([]).num_rows < relevant.num_rows:
            raise ModelError(f"the evaluation pairs of {as_of_name!r} repeat a pair; they need one row per pair")
        featured = product_features["product_id"].cast(pa.large_string()).combine_chunks()
        catalog = IdMap(pa.concat_arrays([featured, interactions.products.ids]), "product")
        row_of_product = pc.index_in(catalog.ids, value_set=featured)
        users = np.unique(interactions.users.positions(of_known["user_id"]))
        return cls(
            as_of_name,
            interactions,
            catalog,
            product_features.take(row_of_product),
            torch.from_numpy(users),
            pc.unique(relevant["user_id"].cast(pa.large_string())),
            relevant,
        )

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

    def feature(self, column: str) -> Tensor:
        """Return a number of the product features, float32 of shape (catalog), 0 where it is unknown."""
        return torch.from_numpy(self.product_features[column].fill_null(0).to_numpy().astype(np.float32))

    @property
    def new_customers(self) -> int:
        """How many customers have no history."""
        return len(self.customers) - len(self.users)

    @cached_property
    def seen(self) -> Csr:
        """The known customers' rows of the interactions."""
        return self.interactions.strength.select_rows(self.users)

    @cached_property
    def in_catalog(self) -> Tensor:
        """int64 positions in the catalog of the interactions' products."""
        return torch.from_numpy(self.catalog.positions(self.interactions.products.ids))

    @cached_property
    def pair_rows(self) -> Tensor:
        """int64 of shape (pairs): which customer each pair is of, ascending."""
        rows = pc.index_in(self.pairs["user_id"].cast(pa.large_string()), value_set=self.customers)
        return torch.from_numpy(rows.to_numpy().astype(np.int64))

    @cached_property
    def pair_products(self) -> Tensor:
        """int64 of shape (pairs): each pair's position in the catalog, -1 where it is not in it."""
        return torch.from_numpy(self.catalog.find(self.pairs["product_id"]))

    @cached_property
    def product_customers(self) -> Tensor:
        """int64 of shape (catalog): how many customers had dealt with each product."""
        customers = torch.zeros(len(self.catalog), dtype=torch.int64)
        customers[self.in_catalog] = torch.bincount(self.interactions.strength.columns, minlength=len(self.in_catalog))
        return customers

    def rank_factors(self, users: Tensor, products: Tensor, config: TrainConfig) -> Ranking:
        """Rank for the known customers by the dot products of factors: theirs, and the interactions' products'."""
        seen = self.seen.to(users.device)
        ranking = Ranking.of(top_n(users, products, depth(config), seen, config.block_rows(len(products))))
        return Ranking(self.places(ranking.positions), ranking.scores)

    def rank_catalog(self, customers: Tensor, products: Tensor, config: TrainConfig) -> Ranking:
        """Rank for all customers by the dot products of factors: theirs, and the whole catalog's."""
        known, new = customers[: len(self.users)], customers[len(self.users) :]
        columns = self.in_catalog[self.seen.columns.long()].int()
        seen = Csr(self.seen.row_starts, columns, self.seen.values, len(self.catalog))
        block_rows = config.block_rows(len(products))
        ranking = Ranking.of(top_n(known, products, depth(config), seen, block_rows))
        return ranking.followed_by(Ranking.of(top_n(new, products, depth(config), None, block_rows)))

    def rank_alike(self, worth: Tensor, config: TrainConfig) -> Ranking:
        """Rank for all customers by what a product is worth to anybody, float32 of shape (catalog)."""
        longest = int(self.seen.lengths.max())
        # Nobody's list reaches further down than this, and in a large catalog it is little.
        pool = worth.sort(descending=True, stable=True).indices[: depth(config) + longest].sort().values
        place = torch.full((len(self.catalog),), -1)
        place[pool] = torch.arange(len(pool))
        columns = place[self.in_catalog[self.seen.columns.long()]]
        rows, columns = self.seen.row_of_entry[columns >= 0], columns[columns >= 0]
        seen = Csr.from_pairs(rows, columns, torch.ones(len(rows)), (len(self.users), len(pool)))
        everybody, of_pool = torch.ones((len(self.users), 1)), worth[pool][:, None]
        ranking = Ranking.of(top_n(everybody, of_pool, depth(config), seen, config.block_rows(len(pool))))
        positions = torch.where(ranking.positions < 0, -1, pool[ranking.positions.clamp(min=0)])
        return self._with_new(Ranking(positions, ranking.scores), worth, config)

    def with_new_customers(self, ranking: Ranking, config: TrainConfig) -> Ranking:
        """Return the ranking for known customers, followed by what new ones are shown: what is popular of late."""
        return self._with_new(ranking, self.feature("recent_popularity"), config)

    def _with_new(self, ranking: Ranking, worth: Tensor, config: TrainConfig) -> Ranking:
        shown = Ranking.of(top_n(torch.ones((1, 1)), worth[:, None], depth(config)))
        return ranking.followed_by(shown.repeated(self.new_customers))

    def places(self, positions: Tensor) -> Tensor:
        """Return positions among the interactions' products (-1 for none) as positions in the catalog."""
        return torch.where(positions < 0, -1, self.in_catalog[positions.clamp(min=0)])

    def hit_pairs(self, ranking: Ranking) -> Tensor:
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

    def measure(self, ranking: Ranking, cutoffs: tuple[int, ...]) -> list[RankingMetrics]:
        """Return the ranking's metrics for the known customers at every cut-off."""
        known = len(self.users)
        hits = self.hit_pairs(ranking)[:known] >= 0
        return ranking_metrics(hits, torch.bincount(self.pair_rows, minlength=known)[:known], cutoffs)

    def candidate_table(self, run_id: str, method: str, ranking: Ranking) -> pa.Table:
        """Return the ranking as rows of ml.evaluation_candidates."""
        found = ranking.positions >= 0
        user, rank = torch.nonzero(found, as_tuple=True)
        return pa.table(
            {
                "run_id": pa.repeat(run_id, len(user)),
                "cutoff": pa.repeat(self.as_of_name, len(user)),
                "method": pa.repeat(method, len(user)),
                "user_id": self.customers.take(pa.array(user.numpy())).cast(pa.string()),
                "product_id": self.catalog.take(ranking.positions[found].numpy()),
                "rank": pa.array((rank + 1).int().numpy()),
                "score": pa.array(ranking.scores[found].double().numpy()),
            }
        )


def depth(config: TrainConfig) -> int:
    """Return how long evaluation's top lists are: the largest cut-off."""
    return max(config.cutoffs)


def _of_customers(pairs: pa.Table, most: int) -> pa.Table:
    """Return the pairs in order, of at most that many customers."""
    ordered = pairs.select(["user_id", "product_id"]).sort_by([("user_id", "ascending"), ("product_id", "ascending")])
    customers = pc.unique(ordered["user_id"])
    if len(customers) <= most:
        return ordered
    chosen = np.linspace(0, len(customers) - 1, most).round().astype(np.int64)
    return ordered.filter(pc.is_in(ordered["user_id"], customers.take(pa.array(chosen))))
