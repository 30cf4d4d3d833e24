"""What somebody unknown holds, as a row of interaction strengths."""

from collections import Counter
from collections.abc import Mapping, Sequence

import torch

from models_ml.data.id_map import IdMap
from models_ml.data.sparse import Csr
from models_ml.errors import ModelError

Basket = Sequence[str] | Mapping[str, float]
"""Product ids, or their interaction strengths by id. Without strengths each counts as the mean training strength, and
one that is named twice as twice that."""


def basket_row(
    basket: Basket, products: IdMap, mean_strength: float, device: torch.device
) -> tuple[Csr | None, list[str]]:
    """Return the basket as a matrix of one row, None when no product of it is known, and its unknown products.

    Raises ModelError when it is no basket, or a strength is not a finite number above zero (in 32-bit precision).
    """
    if isinstance(basket, str):
        raise ModelError(f"a basket is a list of product ids, not a text: {basket!r}")
    if isinstance(basket, Mapping):
        strengths = dict(basket)
    else:
        strengths = {product: times * mean_strength for product, times in Counter(basket).items()}
    values = torch.tensor(list(strengths.values()), dtype=torch.float32)
    wrong = ~((values > 0) & values.isfinite())
    if wrong.any():
        first = list(strengths.items())[int(wrong.nonzero()[0])]
        raise ModelError(f"basket strengths must be finite numbers above zero; that of {first[0]!r} is {first[1]}")
    unknown = [product for product in strengths if product not in products]
    known = sorted((products.position(product), strengths[product]) for product in strengths.keys() - set(unknown))
    if not known:
        return None, unknown
    columns, known_values = zip(*known, strict=True)
    row = Csr(
        torch.tensor([0, len(known)], dtype=torch.int32, device=device),
        torch.tensor(columns, dtype=torch.int32, device=device),
        torch.tensor(known_values, dtype=torch.float32, device=device),
        len(products),
    )
    return row, unknown
