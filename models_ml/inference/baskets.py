"""Baskets: product ids or strengths that take the place of a customer's history."""

from collections import Counter
from collections.abc import Mapping, Sequence

import torch

from models_ml.data.id_map import IdMap
from models_ml.data.sparse import Csr
from models_ml.errors import ModelError

Basket = Sequence[str] | Mapping[str, float]
"""Product ids, or interaction strengths by product id. In a list of ids each occurrence counts as the mean strength of
the training data."""


def build_basket_row(
    basket: Basket, products: IdMap, mean_strength: float, device: torch.device
) -> tuple[Csr | None, list[str]]:
    """Return the basket as a matrix with one row (None when no product is known), and the unknown products.

    Raises:
        ModelError: The basket is a text, or a strength is not a finite number above zero (in 32-bit precision).
    """
    if isinstance(basket, str):
        raise ModelError(f"a basket is a list of product ids, not a text: {basket!r}")
    if isinstance(basket, Mapping):
        strengths = dict(basket)
    else:
        strengths = {product: count * mean_strength for product, count in Counter(basket).items()}
    values = torch.tensor(list(strengths.values()), dtype=torch.float32)
    is_invalid = ~((values > 0) & values.isfinite())
    if is_invalid.any():
        product, strength = list(strengths.items())[int(is_invalid.nonzero()[0])]
        raise ModelError(
            f"basket strengths must be finite numbers above zero: the strength of {product!r} is {strength}"
        )
    unknown_products = [product for product in strengths if product not in products]
    known_strengths = {
        products.get_position(product): strengths[product] for product in strengths.keys() - set(unknown_products)
    }
    if not known_strengths:
        return None, unknown_products
    return build_row(known_strengths, len(products), device), unknown_products


def build_row(values: Mapping[int, float], column_count: int, device: torch.device) -> Csr:
    """Return a matrix with one row of `values` by column."""
    columns = sorted(values)
    return Csr(
        torch.tensor([0, len(columns)], dtype=torch.int32, device=device),
        torch.tensor(columns, dtype=torch.int32, device=device),
        torch.tensor([values[column] for column in columns], dtype=torch.float32, device=device),
        column_count,
    )
