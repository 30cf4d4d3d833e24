"""Similarities of products by the customers that they share, normalized by the sizes of customers and products."""

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
    by_product = weights.transpose()
    customer_sums, product_sums = weights.sum_rows(), by_product.sum_rows()
    sources = by_product.replace_values(
        by_product.values
        / customer_sums[by_product.columns.long()]
        / product_sums[by_product.row_of_entry].pow(source_power)
    )
    targets = weights.replace_values(weights.values / product_sums[weights.columns.long()].pow(target_power))
    transposed_targets = targets.to_torch_coo()
    product_count = by_product.row_count
    rows, columns, values = [], [], []
    for start, stop in iter_row_blocks(product_count, block_rows):
        similarities = multiply_to_dense(sources.slice_rows(start, stop), transposed_targets)
        similarities[torch.arange(stop - start), torch.arange(start, stop)] = 0
        positions, best = select_top_n(similarities, max_neighbors)
        row, rank = torch.nonzero(best > 0, as_tuple=True)
        rows.append(row + start)
        columns.append(positions[row, rank])
        values.append(best[row, rank])
    return Csr.from_pairs(torch.cat(rows), torch.cat(columns), torch.cat(values), (product_count, product_count))


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
    # Products of two torch CSR tensors are as fast, but each of them leaks memory.
    with suppress_beta_warning():
        product = torch.sparse.mm(left.to_torch_coo(), right)
    dense = torch.zeros((left.row_count, right.shape[1]), device=right.device)
    rows, columns = product.indices()
    dense[rows, columns] = product.values()
    return dense
