"""Baselines: ranking methods that the model is compared with, and the oracle of synthetic data."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from torch import Tensor

from models_ml.config import TrainConfig
from models_ml.data.dataset import require_columns
from models_ml.data.id_map import IdMap
from models_ml.data.sparse import Csr, iter_row_blocks, suppress_beta_warning
from models_ml.errors import ModelError
from models_ml.evaluation.window import EvaluationWindow, Ranking, get_max_k
from models_ml.inference.scoring import select_top_n

RankingMethod = Callable[[EvaluationWindow, TrainConfig], Ranking]
"""Ranks products for all customers of a window from the data before the window."""

OracleFactors = tuple[pa.Table, pa.Table]
"""True factors behind synthetic data: tables (user_id, factors) and (product_id, factors); factors are lists."""


def rank_by_popularity(window: EvaluationWindow, config: TrainConfig) -> Ranking:
    """Rank products by their number of customers."""
    return window.rank_by_global_score(window.get_feature("popularity"), config)


def rank_by_recent_popularity(window: EvaluationWindow, config: TrainConfig) -> Ranking:
    """Rank products by their number of actions, weighted by recency."""
    return window.rank_by_global_score(window.get_feature("recent_popularity"), config)


def rank_by_item_similarity(window: EvaluationWindow, config: TrainConfig) -> Ranking:
    """Rank products by the sum of their cosine similarities to the products of the history (item-item neighbors).

    Products without similarity to the history are not listed. New customers get the products with the highest recent
    popularity.

    Source: Sarwar et al., "Item-based collaborative filtering recommendation algorithms" (WWW 2001).
    """
    weights = window.interactions.strength
    weights = weights.replace_values(torch.ones_like(weights.values))
    # A sparse product needs up to five 32-bit numbers per cell, its dense copy one more.
    block_rows = config.compute_block_rows(6 * weights.column_count)
    similarities = find_nearest_products(weights, config.max_neighbors, block_rows).to_torch_coo()
    blocks = []
    for start, stop in iter_row_blocks(len(window.known_positions), block_rows):
        histories = weights.select_rows(window.known_positions[start:stop])
        scores = multiply_to_dense(histories, similarities)
        scores[scores <= 0] = -torch.inf
        blocks.append(select_top_n(scores, get_max_k(config), histories))
    positions, best = (torch.cat(tensors) for tensors in zip(*blocks, strict=True))
    return window.append_new_customers(Ranking(window.map_to_catalog(positions), best), config)


BASELINES: dict[str, RankingMethod] = {
    "popularity": rank_by_popularity,
    "recent_popularity": rank_by_recent_popularity,
    "item_item": rank_by_item_similarity,
}
"""Baselines by the method name in ml.ranking_metrics."""


def build_oracle_method(oracle_factors: OracleFactors) -> RankingMethod:
    """Return the method that ranks by the true factors.

    Raises:
        ModelError: In a call of the method: the oracle lacks a customer or product of the window, or the factors
            of customers and products differ in length.
    """

    def rank(window: EvaluationWindow, config: TrainConfig) -> Ranking:
        users, products = oracle_factors
        user_factors = _align_factors(users, "user_id", window.customer_ids, "customer")
        product_factors = _align_factors(products, "product_id", window.catalog.ids, "product")
        if user_factors.shape[1] != product_factors.shape[1]:
            raise ModelError(
                f"oracle factors of customers and products differ in length: {user_factors.shape[1]} and "
                f"{product_factors.shape[1]}"
            )
        return window.rank_for_all_customers(user_factors, product_factors, config)

    return rank


def read_oracle(folder: Path) -> OracleFactors | None:
    """Read the true factors of a synthetic shop from `folder`; None when the folder has none."""
    files = (folder / "user_factors.parquet", folder / "product_factors.parquet")
    if not all(file.exists() for file in files):
        return None
    users, products = (pq.read_table(file) for file in files)
    return users, products


def find_nearest_products(weights: Csr, max_neighbors: int, block_rows: int) -> Csr:
    """Return the cosine similarities of each product with its nearest products, products x products.

    `weights` is customers x products; the cosine is that of two columns. Each row holds at most `max_neighbors`
    similarities, all above zero. Memory holds `block_rows` x products similarities.
    """
    by_product = weights.transpose()
    norms = by_product.replace_values(by_product.values.square()).sum_rows().sqrt()
    normalized = by_product.replace_values(by_product.values / norms[by_product.row_of_entry])
    transposed = normalized.transpose().to_torch_coo()
    product_count = normalized.row_count
    rows, columns, cosines = [], [], []
    for start, stop in iter_row_blocks(product_count, block_rows):
        similarities = multiply_to_dense(normalized.slice_rows(start, stop), transposed)
        similarities[torch.arange(stop - start), torch.arange(start, stop)] = 0
        best, positions = torch.topk(similarities, min(max_neighbors, product_count), dim=1)
        row, rank = torch.nonzero(best > 0, as_tuple=True)
        rows.append(row + start)
        columns.append(positions[row, rank])
        cosines.append(best[row, rank])
    return Csr.from_pairs(torch.cat(rows), torch.cat(columns), torch.cat(cosines), (product_count, product_count))


def multiply_to_dense(left: Csr, right: Tensor) -> Tensor:
    """Return the dense product of `left` and the sparse COO tensor `right`, float32 of shape (rows, columns)."""
    # Products of two torch CSR tensors are as fast, but each of them leaks memory.
    with suppress_beta_warning():
        product = torch.sparse.mm(left.to_torch_coo(), right)
    dense = torch.zeros((left.row_count, right.shape[1]))
    rows, columns = product.indices()
    dense[rows, columns] = product.values()
    return dense


def _align_factors(table: pa.Table, id_column: str, ids: pa.Array, kind: str) -> Tensor:
    """Return the factors of `ids` in their order, float32 of shape (ids, factors)."""
    require_columns(table, (id_column, "factors"), f"the oracle's {kind} factors")
    oracle_ids = IdMap(table[id_column], kind)
    factors = table.sort_by(id_column)["factors"].combine_chunks()
    matrix = np.asarray(factors.flatten(), dtype=np.float32).reshape(len(factors), -1)
    return torch.from_numpy(matrix[oracle_ids.get_positions(ids)])
