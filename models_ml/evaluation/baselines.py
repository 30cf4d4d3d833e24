"""What the model is measured against: methods that rank for a window's customers, each of them one function."""

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from models_ml.als.solver import row_blocks
from models_ml.config import TrainConfig
from models_ml.data.columns import require_columns
from models_ml.data.id_map import IdMap
from models_ml.errors import ModelError
from models_ml.evaluation.item_item import dense_product, nearest_products
from models_ml.evaluation.window import EvaluationWindow, Ranking, depth
from models_ml.inference.scoring import best_of

Method = Callable[[EvaluationWindow, TrainConfig], Ranking]
"""Ranks for all of a window's customers with what was known before it."""

Oracle = tuple[pa.Table, pa.Table]
"""The true tastes behind made-up data: (user_id, factors) and (product_id, factors), factors lists of numbers."""


def popularity(window: EvaluationWindow, config: TrainConfig) -> Ranking:
    """Rank by the number of customers that a product has had."""
    return window.rank_alike(window.feature("popularity"), config)


def recent_popularity(window: EvaluationWindow, config: TrainConfig) -> Ranking:
    """Rank by the actions on a product, the older the less."""
    return window.rank_alike(window.feature("recent_popularity"), config)


def item_item(window: EvaluationWindow, config: TrainConfig) -> Ranking:
    """Rank by how alike a product is to those of the customer's history, summed; new customers see what is popular.

    A product that is like none of them is left out.
    """
    weights = window.interactions.strength
    weights = weights.with_values(torch.ones_like(weights.values))
    # A product of sparse rows holds up to five 32-bit numbers for each cell before it becomes a dense one.
    block_rows = config.block_rows(6 * weights.n_columns)
    alike = nearest_products(weights, config.neighbours, block_rows).as_coordinates()
    blocks = []
    for start, stop in row_blocks(len(window.users), block_rows):
        seen = weights.select_rows(window.users[start:stop])
        scores = dense_product(seen, alike)
        scores[scores <= 0] = -torch.inf
        blocks.append(best_of(scores, depth(config), seen))
    positions, best = (torch.cat(parts) for parts in zip(*blocks, strict=True))
    return window.with_new_customers(Ranking(window.places(positions), best), config)


BASELINES: dict[str, Method] = {
    "popularity": popularity,
    "recent_popularity": recent_popularity,
    "item_item": item_item,
}
"""By the name that stands in ml.ranking_metrics."""


def oracle(tastes: Oracle) -> Method:
    """Return the method that ranks by the truth; ModelError when it does not know a customer or a product."""

    def rank(window: EvaluationWindow, config: TrainConfig) -> Ranking:
        users, products = tastes
        of_customers = _factors(users, "user_id", window.customers, "customer")
        of_products = _factors(products, "product_id", window.catalog.ids, "product")
        if of_customers.shape[1] != of_products.shape[1]:
            raise ModelError(f"oracle factors differ in length: {of_customers.shape[1]} and {of_products.shape[1]}")
        return window.rank_catalog(of_customers, of_products, config)

    return rank


def _factors(table: pa.Table, id_column: str, ids: pa.Array, kind: str) -> Tensor:
    require_columns(table, (id_column, "factors"), f"the oracle's {kind} factors")
    oracle_ids = IdMap(table[id_column], kind)
    rows = table.sort_by(id_column)["factors"].combine_chunks()
    matrix = np.asarray(rows.flatten(), dtype=np.float32).reshape(len(rows), -1)
    return torch.from_numpy(matrix[oracle_ids.positions(ids)])
