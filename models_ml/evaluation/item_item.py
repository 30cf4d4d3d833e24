"""Item-item collaborative filtering by cosine, the baseline that every shop can have without training.

Sarwar, Karypis, Konstan, Riedl, "Item-based collaborative filtering recommendation algorithms" (WWW 2001), with the
neighbourhoods cut as in Deshpande, Karypis, "Item-based top-N recommendation algorithms" (TOIS 2004).
"""

import torch
from torch import Tensor

from models_ml.als.solver import row_blocks
from models_ml.data.sparse import Csr, without_beta_warning


def nearest_products(weights: Csr, neighbours: int, block_rows: int) -> Csr:
    """Return each product's most alike others and how alike they are, products x products.

    `weights` is customers x products; two products are as alike as the cosine of their columns. At most `neighbours`
    stay of each, those above zero; `block_rows` x products cosines are held at a time.
    """
    by_product = weights.transposed()
    lengths = by_product.with_values(by_product.values.square()).row_sums().sqrt()
    of_product = by_product.with_values(by_product.values / lengths[by_product.row_of_entry])
    of_customer = of_product.transposed().as_coordinates()
    products = of_product.n_rows
    rows, columns, cosines = [], [], []
    for start, stop in row_blocks(products, block_rows):
        alike = dense_product(of_product.slice_rows(start, stop), of_customer)
        alike[torch.arange(stop - start), torch.arange(start, stop)] = 0
        best, positions = torch.topk(alike, min(neighbours, products), dim=1)
        row, place = torch.nonzero(best > 0, as_tuple=True)
        rows.append(row + start)
        columns.append(positions[row, place])
        cosines.append(best[row, place])
    return Csr.from_pairs(torch.cat(rows), torch.cat(columns), torch.cat(cosines), (products, products))


def dense_product(one: Csr, other: Tensor) -> Tensor:
    """Return the product of two sparse matrices, the second in coordinates, as a dense one."""
    # Torch multiplies two CSR matrices as fast, and loses some of the memory of each such product for good.
    with without_beta_warning():
        product = torch.sparse.mm(one.as_coordinates(), other)
    dense = torch.zeros((one.n_rows, other.shape[1]))
    rows, columns = product.indices()
    dense[rows, columns] = product.values()
    return dense
