"""Baselines: ranking methods that the model is compared with, and the oracle of synthetic data."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from torch import Tensor

from models_ml.als.parallel import CorePool
from models_ml.config import TrainConfig
from models_ml.data.dataset import require_columns
from models_ml.data.id_map import IdMap
from models_ml.data.sparse import Csr, iter_row_blocks
from models_ml.data.top_n import select_top_n
from models_ml.errors import ModelError
from models_ml.evaluation.ranking import Ranking
from models_ml.evaluation.window import EvaluationWindow
from models_ml.inference.scoring import rank_top_n
from models_ml.neighbors.similarity import (
    CELLS_PER_SIMILARITY,
    find_neighbors,
    find_neighbors_by_powers,
    multiply_to_dense,
)

ITEM_ITEM_POWERS = ((0.5, 0.5), (1.0, 0.25), (1.0, 0.7), (0.0, 0.75), (0.5, 0.25))
"""Candidate source and target powers of the item-item baseline; the first is best on Online Retail, the second on
Last.fm, the third on the demo shop."""

GRAPH_FILTER_WEIGHTS = (0.3, 0.0, 0.1, 1.0)
"""Candidate weights of the low-pass filter in the user-item graph."""

GRAPH_FILTER_NEIGHBORS = 500
"""Maximum number of similar products that the linear filter of the user-item graph keeps for each product. With 200,
the validation NDCG@20 without the low-pass filter is 6 % lower on Last.fm and 5 % lower on Online Retail than with
all."""

MAX_SINGULAR_VECTORS = 256
"""Maximum number of singular vectors of the low-pass filter."""

SINGULAR_VECTOR_ITERATIONS = 2
"""Iterations of the randomized decomposition."""

ROWS_PER_SINGULAR_VECTOR = 16
"""Customers or products, whichever are fewer, for each singular vector of a smaller matrix: on the demo shop (1,185
products), 64 vectors have a validation NDCG@20 of 0.130, 256 vectors 0.101."""

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
            config.max_k,
            block_rows=config.compute_block_rows(len(scores)),
            excluded=window.excluded,
            additions=window.purchase_days,
        )
    )
    return window.append_new_customers(Ranking(window.map_to_catalog(ranking.positions), ranking.scores), config)


def rank_by_item_similarity(
    window: EvaluationWindow, config: TrainConfig, powers: Sequence[tuple[float, float]]
) -> list[Ranking]:
    """Rank products by the sum of their similarities to the products of the history (item-item neighbors).

    `powers` are pairs of a source and a target power of models_ml.neighbors.similarity, each for one ranking: (0, p) is
    the conditional probability of Deshpande, Karypis, "Item-based top-N recommendation algorithms" (ACM TOIS 2004),
    section 4.1.2; (1, p) is RP3beta of Paudel et al., "Updatable, accurate, diverse, and scalable recommendations for
    interactive applications" (ACM TiiS 2017). Products without similarity to the history are not listed.
    """
    weights = _to_binary(window.interactions.strength)
    block_rows = config.compute_block_rows(CELLS_PER_SIMILARITY * weights.column_count)
    rankings = []
    for neighbors in find_neighbors_by_powers(weights, powers, config.max_neighbors, block_rows):
        similarities, blocks = neighbors.to_torch_coo(), []
        for histories, excluded in _iter_history_blocks(window, block_rows):
            scores = multiply_to_dense(histories, similarities)
            blocks.append(_select_positive(scores, config, excluded))
        rankings.append(_combine_blocks(window, config, blocks))
    return rankings


def rank_by_user_item_graph(window: EvaluationWindow, config: TrainConfig, weights: Sequence[float]) -> list[Ranking]:
    """Rank products by a filter of the graph of customers and products.

    With R 1 for the pairs of a history and N = D_u^-1/2 R D_i^-1/2, a customer's row r of R has the scores

        r N'N + weight * r D_i^-1/2 V V' D_i^1/2

    where V are the right singular vectors of the largest singular values of N: a linear and an ideal low-pass filter.
    Each of the `weights` gives one ranking. N'N keeps the largest entries of each product. Products without a score
    above zero are not listed.

    Source: Shen et al., "How powerful is graph convolution for recommendation?" (CIKM 2021), GF-CF.
    """
    pairs = _to_binary(window.interactions.strength)
    customer_sums, product_sums = pairs.sum_rows(), pairs.transpose().sum_rows()
    product_roots = product_sums.where(product_sums > 0, 1).sqrt()
    normalized = pairs.replace_values(
        1 / customer_sums[pairs.row_of_entry].sqrt() / product_roots[pairs.columns.long()]
    )
    vectors = _compute_singular_vectors(normalized, config)
    sources, targets = vectors / product_roots[:, None], (vectors * product_roots[:, None]).T.contiguous()
    block_rows = config.compute_block_rows(CELLS_PER_SIMILARITY * pairs.column_count)
    neighbors = find_neighbors(pairs, 0.5, 0.5, GRAPH_FILTER_NEIGHBORS, block_rows).to_torch_coo()
    blocks: list[list[tuple[Tensor, Tensor]]] = [[] for _ in weights]
    for histories, excluded in _iter_history_blocks(window, block_rows):
        linear = multiply_to_dense(histories, neighbors)
        low_pass = histories.to_torch_csr() @ sources @ targets
        for weight, weight_blocks in zip(weights, blocks, strict=True):
            weight_blocks.append(_select_positive((weight * low_pass).add_(linear), config, excluded))
    return [_combine_blocks(window, config, weight_blocks) for weight_blocks in blocks]


def _compute_singular_vectors(matrix: Csr, config: TrainConfig) -> Tensor:
    """Return the right singular vectors of the largest singular values, float32 of shape (columns, vectors)."""
    smaller_side = min(matrix.row_count, matrix.column_count)
    count = min(MAX_SINGULAR_VECTORS, max(1, smaller_side // ROWS_PER_SINGULAR_VECTOR))
    # LAPACK synchronizes torch's threads often: beside other programs, two threads took a hundred times as long as one
    # for a small shop.
    with torch.random.fork_rng(devices=[]), CorePool(matrix.values.device):
        torch.manual_seed(config.seed)
        # More vectors than needed make the needed ones more exact.
        _, _, vectors = torch.svd_lowrank(
            matrix.to_torch_coo(), q=min(count + 16, smaller_side), niter=SINGULAR_VECTOR_ITERATIONS
        )
    return vectors[:, :count]


def rank_by_ease(window: EvaluationWindow, config: TrainConfig, regularizations: Sequence[float]) -> list[Ranking]:
    """Rank products by a linear model of all products on each other, with a ridge penalty.

    Each of the `regularizations` gives one ranking. Memory holds three matrices of products x products.

    Source: Steck, "Embarrassingly shallow autoencoders for sparse data" (WWW 2019).

    Raises:
        ModelError: The window has more products than the config's `max_ease_products`.
    """
    pairs = _to_binary(window.interactions.strength)
    if pairs.column_count > config.max_ease_products:
        raise ModelError(
            f"EASE is not computed for {pairs.column_count:,} products. Raise max_ease_products "
            f"({config.max_ease_products:,}), or read the other baselines"
        )
    gramian = multiply_to_dense(pairs.transpose(), pairs.to_torch_coo())
    rankings = []
    for regularization in regularizations:
        penalized = gramian.clone()
        penalized.diagonal().add_(regularization)
        inverse = torch.cholesky_inverse(torch.linalg.cholesky(penalized))
        weights = inverse.div_(-inverse.diagonal().clone())
        weights.fill_diagonal_(0)
        blocks = [
            select_top_n(histories.to_torch_csr() @ weights, config.max_k, excluded)
            for histories, excluded in _iter_history_blocks(window, config.compute_block_rows(pairs.column_count))
        ]
        rankings.append(_combine_blocks(window, config, blocks))
    return rankings


def build_baselines(validation: EvaluationWindow | None, config: TrainConfig) -> dict[str, RankingMethod]:
    """Return the baselines by their method name in ml.ranking_metrics.

    Their settings have the best NDCG at the config's `selection_k` in the validation window; without it, they are the
    first candidates.
    """
    return {
        "popularity": rank_by_popularity,
        "recent_popularity": rank_by_recent_popularity,
        "item_item": _select_setting(rank_by_item_similarity, ITEM_ITEM_POWERS, validation, config),
        "user_item_graph": _select_setting(rank_by_user_item_graph, GRAPH_FILTER_WEIGHTS, validation, config),
        "ease": _select_setting(rank_by_ease, EASE_REGULARIZATIONS, validation, config),
    }


def _select_setting(
    rank: Callable[[EvaluationWindow, TrainConfig, Sequence[Setting]], list[Ranking]],
    candidates: Sequence[Setting],
    validation: EvaluationWindow | None,
    config: TrainConfig,
) -> RankingMethod:
    """Return the method with the best of the candidate settings.

    `rank` returns one ranking for each setting. A method that fails here fails again in a call.
    """
    best = candidates[0]
    if validation is not None:
        with suppress(ModelError):
            ndcgs = [
                validation.evaluate(ranking, (config.selection_k,))[0].ndcg
                for ranking in rank(validation, config, candidates)
            ]
            best = candidates[ndcgs.index(max(ndcgs))]
    return lambda window, window_config: rank(window, window_config, (best,))[0]


def _iter_history_blocks(window: EvaluationWindow, block_rows: int) -> Iterator[tuple[Csr, Csr]]:
    """Yield the histories of the known customers in blocks, with value 1, and the pairs that no list has."""
    histories = _to_binary(window.histories)
    for start, stop in iter_row_blocks(histories.row_count, block_rows):
        yield histories.slice_rows(start, stop), window.excluded.slice_rows(start, stop)


def _select_positive(scores: Tensor, config: TrainConfig, excluded: Csr) -> tuple[Tensor, Tensor]:
    """Return the best products with a score above zero, without the excluded ones."""
    # For 105 x 52,893 scores, an assignment by a mask takes 25 ms, this 0.7.
    torch.threshold_(scores, 0.0, -torch.inf)
    return select_top_n(scores, config.max_k, excluded)


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
