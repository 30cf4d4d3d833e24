"""Baselines: ranking methods that the model is compared with, and the oracle of synthetic data."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from torch import Tensor

from models_ml.config import TrainConfig
from models_ml.data.dataset import require_columns
from models_ml.data.id_map import IdMap
from models_ml.data.sparse import Csr, iter_row_blocks
from models_ml.data.top_n import select_top_n
from models_ml.errors import ModelError
from models_ml.evaluation.window import EvaluationWindow, Ranking, get_max_k
from models_ml.inference.scoring import rank_top_n
from models_ml.neighbors.similarity import CELLS_PER_SIMILARITY, find_neighbors, multiply_to_dense

ITEM_ITEM_POWERS = ((0.5, 0.5), (0.0, 0.5), (0.0, 0.75), (0.5, 0.25))
"""Candidate source and target powers of the item-item baseline; the first is best on Online Retail, the third on the
demo shop."""

EASE_REGULARIZATIONS = (300.0, 100.0, 1000.0)
"""Candidate penalties of EASE; the first is best on Online Retail and on the demo shop."""

Setting = TypeVar("Setting")

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


def rank_by_purchases(window: EvaluationWindow, config: TrainConfig) -> Ranking:
    """Rank the products that a customer bought by their purchase days, then all others by their number of customers.

    Raises:
        ModelError: The window has no repeat purchases.
    """
    if window.purchase_days is None:
        raise ModelError("buy again needs repeat purchases: the shop has none in this window")
    popularity = window.get_feature("popularity")[window.catalog_positions]
    scores = (popularity / (popularity.max() + 1))[:, None]
    customer_factors = torch.ones((len(window.known_positions), 1))
    ranking = Ranking.from_top_n(
        rank_top_n(
            customer_factors,
            scores,
            get_max_k(config),
            block_rows=config.compute_block_rows(len(scores)),
            excluded=window.excluded,
            additions=window.purchase_days,
        )
    )
    return window.append_new_customers(Ranking(window.map_to_catalog(ranking.positions), ranking.scores), config)


def rank_by_item_similarity(window: EvaluationWindow, config: TrainConfig, powers: tuple[float, float]) -> Ranking:
    """Rank products by the sum of their similarities to the products of the history (item-item neighbors).

    `powers` are the source and target power of models_ml.neighbors.similarity: (0, p) is the conditional probability of
    Deshpande, Karypis, "Item-based top-N recommendation algorithms" (ACM TOIS 2004), section 4.1.2; (0.5, 0.5) is the
    graph of customers and products of Shen et al., "How powerful is graph convolution for recommendation?" (CIKM 2021).
    Products without similarity to the history are not listed.
    """
    weights = _to_binary(window.interactions.strength)
    block_rows = config.compute_block_rows(CELLS_PER_SIMILARITY * weights.column_count)
    neighbors = find_neighbors(weights, *powers, config.max_neighbors, block_rows).to_torch_coo()
    blocks = []
    for start, stop in iter_row_blocks(len(window.known_positions), block_rows):
        histories = weights.select_rows(window.known_positions[start:stop])
        scores = multiply_to_dense(histories, neighbors)
        scores[scores <= 0] = -torch.inf
        blocks.append(select_top_n(scores, get_max_k(config), window.excluded.slice_rows(start, stop)))
    return _combine_blocks(window, config, blocks)


def rank_by_ease(window: EvaluationWindow, config: TrainConfig, regularization: float) -> Ranking:
    """Rank products by a linear model of all products on each other, with a ridge penalty.

    Memory holds two matrices of products x products.

    Source: Steck, "Embarrassingly shallow autoencoders for sparse data" (WWW 2019).

    Raises:
        ModelError: The window has more products than the config's `max_ease_products`.
    """
    histories = _to_binary(window.interactions.strength)
    if histories.column_count > config.max_ease_products:
        raise ModelError(
            f"EASE is not computed for {histories.column_count:,} products. Raise max_ease_products "
            f"({config.max_ease_products:,}), or read the other baselines"
        )
    gramian = multiply_to_dense(histories.transpose(), histories.to_torch_coo())
    gramian.diagonal().add_(regularization)
    inverse = torch.cholesky_inverse(torch.linalg.cholesky(gramian))
    weights = inverse.div_(-inverse.diagonal().clone())
    weights.fill_diagonal_(0)
    blocks = []
    for start, stop in iter_row_blocks(len(window.known_positions), config.compute_block_rows(histories.column_count)):
        block = histories.select_rows(window.known_positions[start:stop])
        scores, excluded = block.to_torch_csr() @ weights, window.excluded.slice_rows(start, stop)
        blocks.append(select_top_n(scores, get_max_k(config), excluded))
    return _combine_blocks(window, config, blocks)


def build_baselines(validation: EvaluationWindow | None, config: TrainConfig) -> dict[str, RankingMethod]:
    """Return the baselines by their method name in ml.ranking_metrics.

    Their settings have the best NDCG at the config's `selection_k` in the validation window; without it, they are the
    first candidates.
    """
    return {
        "popularity": rank_by_popularity,
        "recent_popularity": rank_by_recent_popularity,
        "item_item": _select_setting(rank_by_item_similarity, ITEM_ITEM_POWERS, validation, config),
        "ease": _select_setting(rank_by_ease, EASE_REGULARIZATIONS, validation, config),
    }


def _select_setting(
    method: Callable[[EvaluationWindow, TrainConfig, Setting], Ranking],
    candidates: tuple[Setting, ...],
    validation: EvaluationWindow | None,
    config: TrainConfig,
) -> RankingMethod:
    """Return the method with the best of the candidate settings; a method that fails here fails again in a call."""

    def compute_ndcg(candidate: Setting) -> float:
        assert validation is not None
        return validation.evaluate(method(validation, config, candidate), (config.selection_k,))[0].ndcg

    best = candidates[0]
    if validation is not None:
        with suppress(ModelError):
            best = max(candidates, key=compute_ndcg)
    return lambda window, window_config: method(window, window_config, best)


def _combine_blocks(window: EvaluationWindow, config: TrainConfig, blocks: list[tuple[Tensor, Tensor]]) -> Ranking:
    """Return the lists of the known customers; new customers get the products with the highest recent popularity."""
    positions, best = (torch.cat(tensors) for tensors in zip(*blocks, strict=True))
    return window.append_new_customers(Ranking(window.map_to_catalog(positions), best), config)


def _to_binary(strength: Csr) -> Csr:
    return strength.replace_values(torch.ones_like(strength.values))


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


def _align_factors(table: pa.Table, id_column: str, ids: pa.Array, kind: str) -> Tensor:
    """Return the factors of `ids` in their order, float32 of shape (ids, factors)."""
    require_columns(table, (id_column, "factors"), f"the oracle's {kind} factors")
    oracle_ids = IdMap(table[id_column], kind)
    factors = table.sort_by(id_column)["factors"].combine_chunks()
    matrix = np.asarray(factors.flatten(), dtype=np.float32).reshape(len(factors), -1)
    return torch.from_numpy(matrix[oracle_ids.get_positions(ids)])
