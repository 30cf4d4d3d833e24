"""What the model is measured against: methods that rank for a window's customers, each of them one function."""

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
"""Ranks for all of a window's customers with what was known before it."""

OracleFactors = tuple[pa.Table, pa.Table]
"""The true tastes behind made-up data: (user_id, factors) and (product_id, factors), factors lists of numbers."""


def rank_by_popularity(window: EvaluationWindow, config: TrainConfig) -> Ranking:
    """Rank by the number of customers that a product has had."""
    return window.rank_by_global_score(window.get_feature("popularity"), config)


def rank_by_recent_popularity(window: EvaluationWindow, config: TrainConfig) -> Ranking:
    """Rank by the actions on a product, the older the less."""
    return window.rank_by_global_score(window.get_feature("recent_popularity"), config)


def rank_by_item_similarity(window: EvaluationWindow, config: TrainConfig) -> Ranking:
    """Rank by how alike a product is to those of the customer's history, summed; new customers see what is popular.

    A product that is like none of them is left out.
    """
    weights = window.interactions.strength
    weights = weights.replace_values(torch.ones_like(weights.values))
    # A product of sparse rows holds up to five 32-bit numbers for each cell before it becomes a dense one.
    block_rows = config.compute_block_rows(6 * weights.column_count)
    alike = find_nearest_products(weights, config.max_neighbors, block_rows).to_torch_coo()
    blocks = []
    for start, stop in iter_row_blocks(len(window.known_positions), block_rows):
        seen = weights.select_rows(window.known_positions[start:stop])
        scores = multiply_to_dense(seen, alike)
        scores[scores <= 0] = -torch.inf
        blocks.append(select_top_n(scores, get_max_k(config), seen))
    positions, best = (torch.cat(parts) for parts in zip(*blocks, strict=True))
    return window.append_new_customers(Ranking(window.map_to_catalog(positions), best), config)


BASELINES: dict[str, RankingMethod] = {
    "popularity": rank_by_popularity,
    "recent_popularity": rank_by_recent_popularity,
    "item_item": rank_by_item_similarity,
}
"""By the name that stands in ml.ranking_metrics."""


def build_oracle_method(oracle_factors: OracleFactors) -> RankingMethod:
    """Return the method that ranks by the truth; ModelError when it does not know a customer or a product."""

    def rank(window: EvaluationWindow, config: TrainConfig) -> Ranking:
        users, products = oracle_factors
        of_customers = _align_factors(users, "user_id", window.customer_ids, "customer")
        of_products = _align_factors(products, "product_id", window.catalog.ids, "product")
        if of_customers.shape[1] != of_products.shape[1]:
            raise ModelError(f"oracle factors differ in length: {of_customers.shape[1]} and {of_products.shape[1]}")
        return window.rank_catalog(of_customers, of_products, config)

    return rank


def _align_factors(table: pa.Table, id_column: str, ids: pa.Array, kind: str) -> Tensor:
    require_columns(table, (id_column, "factors"), f"the oracle's {kind} factors")
    oracle_ids = IdMap(table[id_column], kind)
    rows = table.sort_by(id_column)["factors"].combine_chunks()
    matrix = np.asarray(rows.flatten(), dtype=np.float32).reshape(len(rows), -1)
    return torch.from_numpy(matrix[oracle_ids.get_positions(ids)])


def find_nearest_products(weights: Csr, max_neighbors: int, block_rows: int) -> Csr:
    """Return each product's most alike others and how alike they are, products x products.

    `weights` is customers x products; two products are as alike as the cosine of their columns. At most `neighbours`
    stay of each, those above zero; `block_rows` x products cosines are held at a time.
    """
    by_product = weights.transpose()
    lengths = by_product.replace_values(by_product.values.square()).sum_rows().sqrt()
    of_product = by_product.replace_values(by_product.values / lengths[by_product.row_of_entry])
    of_customer = of_product.transpose().to_torch_coo()
    products = of_product.row_count
    rows, columns, cosines = [], [], []
    for start, stop in iter_row_blocks(products, block_rows):
        alike = multiply_to_dense(of_product.slice_rows(start, stop), of_customer)
        alike[torch.arange(stop - start), torch.arange(start, stop)] = 0
        best, positions = torch.topk(alike, min(max_neighbors, products), dim=1)
        row, place = torch.nonzero(best > 0, as_tuple=True)
        rows.append(row + start)
        columns.append(positions[row, place])
        cosines.append(best[row, place])
    return Csr.from_pairs(torch.cat(rows), torch.cat(columns), torch.cat(cosines), (products, products))


def multiply_to_dense(left: Csr, right: Tensor) -> Tensor:
    """Return the product of two sparse matrices, the second in coordinates, as a dense one."""
    # Torch multiplies two CSR matrices as fast, and loses some of the memory of each such product for good.
    with suppress_beta_warning():
        product = torch.sparse.mm(left.to_torch_coo(), right)
    dense = torch.zeros((left.row_count, right.shape[1]))
    rows, columns = product.indices()
    dense[rows, columns] = product.values()
    return dense


def read_oracle(folder: Path) -> OracleFactors | None:
    """Read the true tastes of a synthetic shop; None when the folder has none."""
    files = (folder / "user_factors.parquet", folder / "product_factors.parquet")
    if not all(file.exists() for file in files):
        return None
    users, products = (pq.read_table(file) for file in files)
    return users, products
