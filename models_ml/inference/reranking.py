"""Re-ranking of a customer's best products, for more diverse or calibrated lists.

The first `rerank_depth` products are put into a new order, one rank after the other; later products keep their ranks.
Both methods choose for each rank the remaining product with the highest value, of equal values the one with the higher
score. With the weight w of the setting `rerank_weight` and the relevance r, the score scaled to 0 to 1 among the
customer's first products, the value of a product is

    mmr          (1 - w) r - w * (largest similarity to a product of a better rank)
    calibrated   (1 - w) r - w * KL(p || q'), of the list with this product at its end

mmr: maximal marginal relevance (Carbonell, Goldstein, "The use of MMR, diversity-based reranking for reordering
documents and producing summaries", SIGIR 1998). The similarity is that of the metric `diversity`, the cosine of the
products' customers. The cosine of the factors is no alternative: on the demo shop it moves bestsellers up, and the
lists become less diverse.

calibrated: Steck, "Calibrated recommendations" (RecSys 2018), with the category shares p of the customer's history and
q' of the list, smoothed as in models_ml.data.category_mix.
"""

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from models_ml.config import TrainConfig
from models_ml.data.category_mix import CALIBRATION_SMOOTHING, compute_category_shares, find_category_entries
from models_ml.data.sparse import Csr, iter_row_blocks
from models_ml.neighbors.similarity import compute_cosines

MAX_SIMILAR_PRODUCTS = 8_192
"""Number of products with similarities, those with the most customers; their matrix takes 256 MiB. Further products
are similar to none."""

CELLS_PER_CANDIDATE = 16
"""Memory per candidate in 32-bit numbers: temporary tensors."""


@dataclass(frozen=True)
class Reranker:
    """Puts the best products of each customer into a new order."""

    config: TrainConfig
    histories: Csr
    """Histories of all customers, customers x products; `mmr` computes the similarities from them."""
    categories: Tensor
    """int64 of shape (products): the category of each product; used by `calibrated`."""

    @property
    def is_active(self) -> bool:
        """Whether the settings change the order."""
        return self.config.rerank_method != "none" and self.config.rerank_weight > 0

    def get_pool_size(self, n: int) -> int:
        """Return the number of best products that `rerank` needs for lists of length `n`."""
        return max(n, self.config.rerank_depth) if self.is_active else n

    def rerank(self, positions: Tensor, scores: Tensor, histories: Csr) -> tuple[Tensor, Tensor]:
        """Return the positions and scores in the new order.

        `positions` (int64) and `scores`, both (rows, ranks), are ordered by score, with position -1 and score -inf for
        an unused rank. `histories` are rows x products.
        """
        depth = min(self.config.rerank_depth, positions.shape[1])
        if not self.is_active or not depth:
            return positions, scores
        positions, scores = positions.clone(), scores.clone()
        block_rows = self.config.compute_block_rows(CELLS_PER_CANDIDATE * depth)
        for start, stop in iter_row_blocks(len(positions), block_rows):
            pool, pool_scores = positions[start:stop, :depth], scores[start:stop, :depth]
            value = (1 - self.config.rerank_weight) * _scale_scores(pool_scores)
            # Below the value of every product, above that of the products with a rank.
            value[pool < 0] = torch.finfo(value.dtype).min
            if self.config.rerank_method == "mmr":
                order = self._order_by_marginal_relevance(pool, value)
            else:
                order = self._order_by_calibration(pool, value, histories.slice_rows(start, stop))
            positions[start:stop, :depth] = pool.gather(1, order)
            scores[start:stop, :depth] = pool_scores.gather(1, order)
        return positions, scores

    @cached_property
    def _similarities(self) -> tuple[Tensor, Tensor]:
        """Similarities of the products with the most customers, and each product's row in them, -1 without one."""
        counts = torch.bincount(self.histories.columns, minlength=self.histories.column_count)
        most_popular = counts.sort(descending=True, stable=True).indices[:MAX_SIMILAR_PRODUCTS]
        row = torch.full_like(counts, -1)
        row[most_popular] = torch.arange(len(most_popular), device=counts.device)
        return compute_cosines(self.histories.remap_columns(row, len(most_popular))), row

    def _order_by_marginal_relevance(self, pool: Tensor, value: Tensor) -> Tensor:
        similarities, index = self._similarities
        pool_index = torch.where(pool < 0, -1, index[pool.clamp(min=0)])
        rows = torch.arange(len(pool), device=pool.device)
        largest_similarity = torch.full_like(value, -torch.inf)
        order = torch.empty_like(pool)
        for rank in range(pool.shape[1]):
            # The first rank has no similarities: every product has the same value of the second term.
            values = value - self.config.rerank_weight * largest_similarity if rank else value
            order[:, rank] = chosen = values.argmax(1)
            value[rows, chosen] = -torch.inf
            chosen_index = pool_index[rows, chosen][:, None]
            similarity = similarities[chosen_index.clamp(min=0), pool_index.clamp(min=0)]
            similarity = torch.where((chosen_index < 0) | (pool_index < 0), 0, similarity)
            largest_similarity = torch.maximum(largest_similarity, similarity)
        return order

    def _order_by_calibration(self, pool: Tensor, value: Tensor, histories: Csr) -> Tensor:
        smoothing = CALIBRATION_SMOOTHING
        categories = torch.where(pool < 0, -1, self.categories[pool.clamp(min=0)])
        history_shares = compute_category_shares(histories, self.categories, int(self.categories.max()) + 1)
        entry, is_in_history = find_category_entries(history_shares, categories)
        shares = torch.zeros(pool.shape, dtype=torch.float64, device=pool.device)
        shares[is_in_history] = history_shares.values.double()[entry[is_in_history]]
        rows = torch.arange(len(pool), device=pool.device)
        value = value.double()
        counts = torch.zeros_like(shares)
        order = torch.empty_like(pool)
        for rank in range(pool.shape[1]):
            # The terms of all other categories in KL are the same for every product of the rank.
            smoothed, increased = (
                (1 - smoothing) * listed / (rank + 1) + smoothing * shares for listed in (counts, counts + 1)
            )
            decrease = torch.where(shares > 0, shares * (increased / smoothed).log(), 0)
            order[:, rank] = chosen = (value + self.config.rerank_weight * decrease).argmax(1)
            value[rows, chosen] = -torch.inf
            counts += categories == categories[rows, chosen][:, None]
        return order


def _scale_scores(scores: Tensor) -> Tensor:
    """Return the scores (rows, ranks) scaled to 0 to 1 in each row; an unused rank, with score -inf, has 0."""
    is_used = scores > -torch.inf
    lowest = torch.where(is_used, scores, torch.inf).amin(1, keepdim=True)
    highest = scores.amax(1, keepdim=True)
    width = (highest - lowest).clamp(min=torch.finfo(scores.dtype).tiny)
    return torch.where(is_used, (scores - lowest) / width, 0)
