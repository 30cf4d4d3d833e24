"""Similarities of products by the customers that they share, normalized by the sizes of customers and products."""

from collections.abc import Sequence

import torch
from torch import Tensor

from models_ml.data.sparse import Csr, iter_row_blocks, suppress_beta_warning
from models_ml.data.top_n import select_top_n

CELLS_PER_SIMILARITY = 6
"""32-bit numbers per cell of a block: the sparse product has up to five, its dense copy one."""


def find_neighbors(weights: Csr, source_power: float, target_power: float, max_neighbors: int, block_rows: int) -> Csr:
    """Return the similarities of each product with its most similar products, products x products.

    The similarity of row j and column i is the sum over all customers u of r_uj r_ui / d_u, divided by d_j^source_power
    d_i^target_power, with the `weights` r (customers x products, above zero) and their sums d over a customer or
    product. A product is not similar to itself. Each row has at most `max_neighbors` entries, all above zero. Memory
    holds `block_rows` x products similarities.
    """
    return find_neighbors_by_powers(weights, ((source_power, target_power),), max_neighbors, block_rows)[0]


def find_neighbors_by_powers(
    weights: Csr, powers: Sequence[tuple[float, float]], max_neighbors: int, block_rows: int
) -> list[Csr]:
    """Return the neighbors of `find_neighbors` for each pair of source and target power.

    All pairs share the sums over customers, which take most of the time.
    """
    by_product = weights.transpose()
    customer_sums, product_sums = weights.sum_rows(), by_product.sum_rows()
    sources = by_product.replace_values(by_product.values / customer_sums[by_product.columns.long()])
    targets = weights.to_torch_coo()
    # A product without customers has no similarities; its sum 0 would divide by zero.
    product_sums = product_sums.where(product_sums > 0, 1)
    product_count = by_product.row_count
    parts: list[list[tuple[Tensor, Tensor, Tensor]]] = [[] for _ in powers]
    for start, stop in iter_row_blocks(product_count, block_rows):
        sums = multiply_to_dense(sources.slice_rows(start, stop), targets)
        sums[torch.arange(stop - start), torch.arange(start, stop)] = 0
        for (source_power, target_power), neighbors in zip(powers, parts, strict=True):
            similarities = sums / product_sums.pow(target_power)
            similarities /= product_sums[start:stop, None].pow(source_power)
            positions, best = select_top_n(similarities, max_neighbors)
            row, rank = torch.nonzero(best > 0, as_tuple=True)
            neighbors.append((row + start, positions[row, rank], best[row, rank]))
    shape = (product_count, product_count)
    entries = [[torch.cat(tensors) for tensors in zip(*neighbors, strict=True)] for neighbors in parts]
    return [Csr.from_pairs(rows, columns, values, shape) for rows, columns, values in entries]


def multiply_to_dense(left: Csr, right: Tensor) -> Tensor:
    """Return the dense product of `left` and the sparse COO tensor `right`, float32 of shape (rows, columns)."""
    # Products of two torch CSR tensors are as fast, but each of them leaks memory.
    with suppress_beta_warning():
        product = torch.sparse.mm(left.to_torch_coo(), right)
    dense = torch.zeros((left.row_count, right.shape[1]), device=right.device)
    rows, columns = product.indices()
    dense[rows, columns] = product.values()
    return dense
