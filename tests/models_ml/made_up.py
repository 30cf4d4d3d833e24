"""Small tables and matrices as the marts would hand them over."""

from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import torch

from models_ml.dataset import Dataset
from models_ml.sparse import Csr

START = datetime(2025, 1, 1)


def csr(dense: npt.NDArray[np.float64]) -> Csr:
    """Return the entries of `dense` that are not zero."""
    rows, columns = np.nonzero(dense)
    values = torch.from_numpy(dense[rows, columns])
    return Csr.from_pairs(torch.from_numpy(rows), torch.from_numpy(columns), values, (dense.shape[0], dense.shape[1]))


def dense(matrix: Csr) -> npt.NDArray[np.float64]:
    """Return a sparse matrix as a float64 array."""
    array: npt.NDArray[np.float64] = matrix.as_torch().to_dense().double().numpy()
    return array


def interaction_rows(as_of_name: str, days: int, pairs: list[tuple[str, str, float, bool]]) -> pa.Table:
    """Return marts.ml_interactions of one as_of from (user, product, strength, has_purchased)."""
    users, products, strengths, purchased = zip(*pairs, strict=True) if pairs else ((), (), (), ())
    instants = pa.timestamp("us")
    return pa.table(
        {
            "cutoff": pa.array([as_of_name] * len(pairs), pa.string()),
            "as_of": pa.array([START + timedelta(days=days)] * len(pairs), instants),
            "user_id": pa.array(users, pa.string()),
            "product_id": pa.array(products, pa.string()),
            "strength": pa.array(strengths, pa.float64()),
            "interaction_count": pa.array([1] * len(pairs), pa.int64()),
            "has_purchased": pa.array(purchased, pa.bool_()),
            "first_interaction_at": pa.array([START] * len(pairs), instants),
            "last_interaction_at": pa.array([START] * len(pairs), instants),
        }
    )


def feature_rows(
    as_of_name: str,
    popularity: dict[str, float],
    *,
    recent_popularity: dict[str, float] | None = None,
    active_users_28d: dict[str, float] | None = None,
    product_name: dict[str, str] | None = None,
    category: dict[str, str] | None = None,
    brand: dict[str, str] | None = None,
    price: dict[str, float] | None = None,
) -> pa.Table:
    """Return the columns of marts.ml_product_features that training reads; facts that are not given are unknown."""
    facts = {
        "product_name": (product_name, pa.string()),
        "category": (category, pa.string()),
        "brand": (brand, pa.string()),
        "price": (price, pa.float64()),
    }
    counted = {"active_users_28d": active_users_28d, "recent_popularity": recent_popularity}
    return pa.table(
        {
            "cutoff": pa.array([as_of_name] * len(popularity), pa.string()),
            "product_id": pa.array(popularity, pa.string()),
            **{
                name: pa.array([(known or {}).get(product) for product in popularity], type_)
                for name, (known, type_) in facts.items()
            },
            "popularity": pa.array(popularity.values(), pa.float64()),
            **{
                name: pa.array([(known or {}).get(product, 0.0) for product in popularity], pa.float64())
                for name, known in counted.items()
            },
        }
    )


def pair_rows(as_of_name: str, pairs: list[tuple[str, str, bool]]) -> pa.Table:
    """Return marts.ml_evaluation_pairs of one window from (user, product, is_known_user)."""
    users, products, known = zip(*pairs, strict=True) if pairs else ((), (), ())
    return pa.table(
        {
            "cutoff": pa.array([as_of_name] * len(pairs), pa.string()),
            "user_id": pa.array(users, pa.string()),
            "product_id": pa.array(products, pa.string()),
            "is_known_user": pa.array(known, pa.bool_()),
        }
    )


def only_now(pairs: list[tuple[str, str, float, bool]]) -> Dataset:
    """Return the tables of a shop too young to evaluate."""
    return Dataset.of(interaction_rows("now", 100, pairs), feature_rows("now", {}), pair_rows("test", []))


def factor_table(id_column: str, prefix: str, factors: npt.NDArray[np.float64]) -> pa.Table:
    """Return factors in the oracle's form."""
    ids = [f"{prefix}{position}" for position in range(len(factors))]
    return pa.table({id_column: ids, "factors": pa.array(list(factors), pa.list_(pa.float64()))})
