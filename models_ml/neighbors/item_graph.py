"""Item graph: the neighbors of each product, whose scores are added to those of the factors.

The similarity of products j and i is that of the normalized adjacency matrix of customers and products,
D_i^-1/2 R' D_u^-1 R D_i^-1/2, times the number of customers of i to a power (Shen et al., "How powerful is graph
convolution for recommendation?", CIKM 2021; Deshpande, Karypis, "Item-based top-N recommendation algorithms", ACM TOIS
2004). R is 1 for the pairs of a history: strengths gave no better ranking on Online Retail and on the demo shop.

The graph's score of a customer with history J for product i is

    weight / n * sum over j of J of g_ji,    n^2 = sum over j of J of (max over i of g_ji)^2

The divisor n makes the scores of short and long histories comparable. It depends on the history alone, so the score is
the sum of one contribution per past product. The largest score of a customer as divisor gave the same ranking quality
on Amazon Beauty (within 1 % of NDCG@20).
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor

from models_ml.als.parallel import CorePool
from models_ml.config import TrainConfig
from models_ml.data.sparse import Csr
from models_ml.neighbors.similarity import CELLS_PER_SIMILARITY, find_neighbors

MAX_TERMS = 2**20
"""Maximum number of terms of a block: their temporary tensors take about 40 bytes each."""

MAX_CACHED_TERMS = 2**17
"""Maximum number of terms of a block on one core, so that the block stays in its cache."""


class _Terms(NamedTuple):
    """The terms of the scores of some rows, one per past product and neighbor."""

    row: Tensor
    slot: Tensor
    """Position of the past product in its row's history."""
    product: Tensor
    score: Tensor


@dataclass(frozen=True)
class ItemGraph:
    """The nearest neighbors of each product, and the weight of their scores."""

    neighbors: Csr
    """Products x products: g, above zero."""
    weight: float

    @classmethod
    def fit(
        cls, strength: Csr, config: TrainConfig, weight: float, popularity_power: float, multipliers: Tensor
    ) -> "ItemGraph":
        """Return the graph of the pairs of `strength` (customers x products).

        The similarities are multiplied by the neighbor's number of customers to the power `popularity_power` and by the
        multiplier of its scores (`multipliers`, float32 of shape (products)). With weight 0 the graph is empty.
        """
        if not weight:
            return cls.empty(strength.column_count, strength.values.device)
        neighbors = find_neighbors(
            strength.replace_values(torch.ones_like(strength.values)),
            source_power=0.5,
            target_power=0.5 - popularity_power,
            max_neighbors=config.graph_neighbors,
            block_rows=config.compute_block_rows(CELLS_PER_SIMILARITY * strength.column_count),
        )
        return cls(neighbors, weight).scale(multipliers)

    @classmethod
    def empty(cls, product_count: int, device: torch.device | None = None) -> "ItemGraph":
        """Return a graph without neighbors."""
        neighbors = Csr.empty(product_count, product_count)
        return cls(neighbors if device is None else neighbors.to(device), 0.0)

    @property
    def is_empty(self) -> bool:
        """Whether all scores are 0."""
        return not self.neighbors.entry_count

    def scale(self, multipliers: Tensor) -> "ItemGraph":
        """Return the graph with the similarities multiplied by their neighbor's multiplier, float32 of (products)."""
        values = self.neighbors.values * multipliers[self.neighbors.columns.long()]
        return replace(self, neighbors=self.neighbors.replace_values(values))

    def align(self, positions: Tensor) -> "ItemGraph":
        """Return the graph of the products at `positions` (int64), in that order; position -1 has no neighbors."""
        new_position = torch.full((self.neighbors.row_count,), -1, device=positions.device)
        new_position[positions[positions >= 0]] = torch.nonzero(positions >= 0).flatten()
        rows = self.neighbors.select_rows(positions.clamp(min=0))
        is_kept = (positions >= 0)[rows.row_of_entry]
        columns = new_position[rows.columns.long()]
        is_kept &= columns >= 0
        shape = (len(positions), len(positions))
        return replace(
            self,
            neighbors=Csr.from_pairs(rows.row_of_entry[is_kept], columns[is_kept], rows.values[is_kept], shape),
        )

    def add_scores(self, histories: Csr, scores: Tensor) -> None:
        """Add the graph's scores of each row of `histories` (rows x products) to `scores` in place.

        `scores` are contiguous, of shape (rows, products or more).
        """
        # On a GPU, scatter_add_ adds in an order that varies. For one row, the padded neighbors do not pay off.
        if histories.row_count > 1 and scores.device.type == "cpu" and not self.is_empty:
            self._add_scores_on_cores(histories, scores)
            return
        for terms in self._iter_terms(histories):
            scores.index_put_((terms.row, terms.product), terms.score, accumulate=True)

    def _add_scores_on_cores(self, histories: Csr, scores: Tensor) -> None:
        """Add the scores as `add_scores`, with one core per block of rows.

        A term takes 10 ns of a core; index_put_ of the terms of `_iter_terms` takes 49 ns.
        """
        columns, similarities = self._padded_neighbors

        def add_block(bounds: tuple[int, int]) -> None:
            block = histories.slice_rows(*bounds)
            past, row = block.columns.long(), block.row_of_entry
            block_columns, terms = columns.index_select(0, past), similarities.index_select(0, past)
            terms *= self._compute_factors(block)[row][:, None]
            block_columns += (row * scores.shape[1])[:, None]
            scores[slice(*bounds)].view(-1).scatter_add_(0, block_columns.flatten(), terms.flatten())

        max_entries = max(1, MAX_CACHED_TERMS // columns.shape[1])
        with CorePool(scores.device) as pool:
            pool.map(add_block, pairwise(histories.find_block_bounds(histories.row_count, max_entries)))

    def compute_contributions(self, histories: Csr, candidates: Tensor) -> Tensor:
        """Return the contributions of past products to the graph's scores, float32 of shape (rows, n, longest history).

        `candidates` (rows, n) are product positions for each row of `histories`, -1 for an unused rank.
        """
        row_count, n = candidates.shape
        length = int(histories.lengths.max()) if row_count else 0
        contributions = torch.zeros((row_count, n, length), device=candidates.device)
        if not contributions.numel():
            return contributions
        first_key = torch.arange(row_count, device=candidates.device)[:, None] * histories.column_count
        keys, order = torch.sort((first_key + candidates).masked_fill(candidates < 0, -1).flatten())
        for terms in self._iter_terms(histories):
            key = terms.row * histories.column_count + terms.product
            place = torch.searchsorted(keys, key).clamp(max=len(keys) - 1)
            is_candidate = keys[place] == key
            rank = order[place[is_candidate]] % n
            contributions[terms.row[is_candidate], rank, terms.slot[is_candidate]] = terms.score[is_candidate]
        return contributions

    @cached_property
    def _max_similarities(self) -> Tensor:
        """Each product's similarity with its nearest neighbor, float32 of shape (products)."""
        maxima = torch.zeros(self.neighbors.row_count, device=self.neighbors.values.device)
        return maxima.scatter_reduce(0, self.neighbors.row_of_entry, self.neighbors.values, "amax")

    @cached_property
    def _padded_neighbors(self) -> tuple[Tensor, Tensor]:
        """Columns (int64) and similarities of the neighbors, (products, most neighbors); padding has similarity 0."""
        return self.neighbors.to_padded()

    def _compute_factors(self, histories: Csr) -> Tensor:
        """Return the weight divided by n for each row of `histories`, float32 of shape (rows)."""
        squares = histories.replace_values(self._max_similarities[histories.columns.long()].square()).sum_rows()
        return self.weight * squares.clamp(min=torch.finfo(torch.float32).tiny).rsqrt()

    def _iter_terms(self, histories: Csr) -> Iterator[_Terms]:
        """Yield the terms of all rows of `histories` in blocks of rows."""
        if self.is_empty:
            return
        max_entries = max(1, MAX_TERMS * self.neighbors.row_count // self.neighbors.entry_count)
        for start, stop in pairwise(histories.find_block_bounds(histories.row_count, max_entries)):
            block = histories.slice_rows(start, stop)
            past = block.columns.long()
            factor = self._compute_factors(block)
            terms = self.neighbors.select_rows(past)
            entry = terms.row_of_entry
            row = block.row_of_entry[entry]
            slot = entry - block.row_starts.long()[row]
            yield _Terms(start + row, slot, terms.columns.long(), terms.values * factor[row])
