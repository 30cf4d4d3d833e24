"""An item graph of random neighbors, for benchmarks of time."""

import torch

from models_ml.config import TrainConfig
from models_ml.data.sparse import Csr
from models_ml.neighbors.item_graph import ItemGraph

WEIGHT = 0.2


def draw_item_graph(product_count: int, seed: int) -> ItemGraph:
    """Return a graph in which each product has the neighbors of a trained graph (`graph_neighbors`), up to a few less.

    A product is a neighbor of others in proportion to its popularity, which falls with the square root of its rank, so
    that the terms of a customer's scores meet in popular products. The ranks are in random order.
    """
    generator = torch.Generator().manual_seed(seed)
    count = min(TrainConfig().graph_neighbors, product_count)
    # One draw from each of equal parts of the popularity: few draws repeat a product.
    draws = (torch.arange(count) + torch.rand((product_count, count), generator=generator, dtype=torch.float64)) / count
    by_rank = torch.randperm(product_count, generator=generator)
    columns = by_rank[(draws.square() * product_count).long().clamp(max=product_count - 1)]
    rows = torch.arange(product_count)[:, None].expand_as(columns)
    keys = torch.unique(rows[columns != rows] * product_count + columns[columns != rows])
    similarities = torch.rand(len(keys), generator=generator)
    shape = (product_count, product_count)
    return ItemGraph(Csr.from_pairs(keys // product_count, keys % product_count, similarities, shape), WEIGHT)
