"""Similarities of products by the customers that they share, normalized by the sizes of customers and products."""

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
        similarities = _multiply(sources.slice_rows(start, stop), transposed_targets)
        row, column = similarities.indices()
        similarities.values()[row + start == column] = 0
        if len(row) <= MAX_SORTED_SHARE * (stop - start) * product_count:
            row, column, best = select_top_entries(row, column, similarities.values(), max_neighbors)
        else:
            positions, top_values = select_top_n(similarities.to_dense(), max_neighbors)
            row, rank = torch.nonzero(positions >= 0, as_tuple=True)
            column, best = positions[row, rank], top_values[row, rank]
        is_similar = best > 0
        rows.append(row[is_similar] + start)
        columns.append(column[is_similar])
        values.append(best[is_similar])
    return Csr.from_pairs(torch.cat(rows), torch.cat(columns), torch.cat(values), (product_count, product_count))


def multiply_to_dense(left: Csr, right: Tensor) -> Tensor:
    """Return the dense product of `left` and the sparse COO tensor `right`, float32 of shape (rows, columns)."""
    return _multiply(left, right).to_dense()


def _multiply(left: Csr, right: Tensor) -> Tensor:
    """Return the product of `left` and the sparse COO tensor `right`, a coalesced COO tensor."""
    # Products of two torch CSR tensors are as fast, but each of them leaks memory.
    with suppress_beta_warning():
        product: Tensor = torch.sparse.mm(left.to_torch_coo(), right)
    return product
