"""Similarities of products by the customers that they share, normalized by the sizes of customers and products."""

from collections.abc import Sequence

import torch
from torch import Tensor

from models_ml.data.sparse import Csr, iter_row_blocks, suppress_beta_warning
from models_ml.data.top_n import select_top_entries, select_top_n

CELLS_PER_SIMILARITY = 6
"""32-bit numbers per cell of a block: the sparse product has up to five, its dense copy one."""

MAX_SORTED_SHARE = 0.1
"""Share of entries in a block above which dense rows are searched for the largest similarities. On Amazon Beauty, with
a share of 0.0008, sorting the entries takes 0.4 seconds and dense rows 10 seconds; on Online Retail, with a share of
0.42, sorting takes 2 seconds and dense rows 0.6."""


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
        sums = _multiply(sources.slice_rows(start, stop), targets)
        row, column = sums.indices()
        sums.values()[row + start == column] = 0
        is_sparse = len(row) <= MAX_SORTED_SHARE * (stop - start) * product_count
        select = _select_sparse if is_sparse else _select_dense
        for (source_power, target_power), neighbors in zip(powers, parts, strict=True):
            divisors = product_sums[row + start].pow(source_power) * product_sums[column].pow(target_power)
            top_row, top_column, best = select(sums, sums.values() / divisors, max_neighbors)
            is_similar = best > 0
            neighbors.append((top_row[is_similar] + start, top_column[is_similar], best[is_similar]))
    shape = (product_count, product_count)
    entries = [[torch.cat(tensors) for tensors in zip(*neighbors, strict=True)] for neighbors in parts]
    return [Csr.from_pairs(rows, columns, values, shape) for rows, columns, values in entries]


def _select_sparse(pattern: Tensor, values: Tensor, n: int) -> tuple[Tensor, Tensor, Tensor]:
    rows, columns = pattern.indices()
    return select_top_entries(rows, columns, values, n)


def _select_dense(pattern: Tensor, values: Tensor, n: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return what `_select_sparse` returns, for a matrix with many entries in a row."""
    dense = torch.zeros(pattern.shape, device=values.device)
    rows, columns = pattern.indices()
    dense[rows, columns] = values
    positions, best = select_top_n(dense, n)
    row, rank = torch.nonzero(positions >= 0, as_tuple=True)
    return row, positions[row, rank], best[row, rank]


def normalize_by_product(weights: Csr) -> Csr:
    """Return the customers of each product, products x customers, with equal weights and the Euclidean norm 1."""
    by_product = weights.transpose()
    norms = by_product.lengths.clamp(min=1).float().sqrt()
    return by_product.replace_values(1 / torch.repeat_interleave(norms, by_product.lengths))


def compute_cosines(weights: Csr) -> Tensor:
    """Return the cosines of the customers of all pairs of products, float32 of shape (products, products).

    Every pair of `weights` (customers x products) counts as 1. A product without customers has cosine 0.
    """
    normalized = normalize_by_product(weights)
    return multiply_to_dense(normalized, normalized.transpose().to_torch_coo())


def multiply_to_dense(left: Csr, right: Tensor) -> Tensor:
    """Return the dense product of `left` and the sparse COO tensor `right`, float32 of shape (rows, columns)."""
    return _multiply(left, right).to_dense()


def _multiply(left: Csr, right: Tensor) -> Tensor:
    """Return the product of `left` and the sparse COO tensor `right`, a coalesced COO tensor."""
    # Products of two torch CSR tensors are as fast, but each of them leaks memory.
    with suppress_beta_warning():
        product: Tensor = torch.sparse.mm(left.to_torch_coo(), right)
    return product
