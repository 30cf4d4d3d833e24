"""Small tables with the columns of the marts, and small matrices."""

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import torch

from models_ml.data.dataset import TABLE_LAYOUTS, Dataset
from models_ml.data.sparse import Csr

START = datetime(2025, 1, 1)


def to_csr(dense: npt.NDArray[np.float64]) -> Csr:
    """Return the nonzero entries of `dense` as a sparse matrix."""
    rows, columns = np.nonzero(dense)
    values = torch.from_numpy(dense[rows, columns])
    return Csr.from_pairs(torch.from_numpy(rows), torch.from_numpy(columns), values, (dense.shape[0], dense.shape[1]))


def to_dense(matrix: Csr) -> npt.NDArray[np.float64]:
    """Return a sparse matrix as a float64 array."""
    array: npt.NDArray[np.float64] = matrix.to_torch_csr().to_dense().double().numpy()
    return array


def build_interactions(
    cutoff: str,
    days: int,
    pairs: list[tuple[str, str, float, bool]],
    repeats: Mapping[tuple[str, str], tuple[int, float]] | None = None,
    not_due: Collection[tuple[str, str]] = (),
) -> pa.Table:
    """Return rows of marts.ml_interactions at one cutoff from (user, product, strength, has_purchased).

    `repeats` has the purchase days and the repeat score of some pairs, which are due except for those in `not_due`.
    """
    repeats = repeats or {}
    purchases = [repeats.get((user, product), (0, None)) for user, product, *_ in pairs]
    users, products, strengths, purchased = zip(*pairs, strict=True) if pairs else ((), (), (), ())
    timestamp_type = pa.timestamp("us")
    return pa.table(
        {
            "cutoff": pa.array([cutoff] * len(pairs), pa.string()),
            "as_of": pa.array([START + timedelta(days=days)] * len(pairs), timestamp_type),
            "user_id": pa.array(users, pa.string()),
            "product_id": pa.array(products, pa.string()),
            "strength": pa.array(strengths, pa.float64()),
            "interaction_count": pa.array([1] * len(pairs), pa.int64()),
            "has_purchased": pa.array(purchased, pa.bool_()),
            "purchase_days": pa.array([days for days, _ in purchases], pa.int64()),
            "repeat_score": pa.array([score for _, score in purchases], pa.float64()),
            "is_due": pa.array([pair[:2] in repeats and pair[:2] not in not_due for pair in pairs], pa.bool_()),
            "first_interaction_at": pa.array([START] * len(pairs), timestamp_type),
            "last_interaction_at": pa.array([START] * len(pairs), timestamp_type),
        }
    )


def build_product_features(
    cutoff: str,
    popularity: dict[str, float],
    *,
    recent_popularity: dict[str, float] | None = None,
    active_users_28d: dict[str, float] | None = None,
    product_name: dict[str, str] | None = None,
    category: dict[str, str] | None = None,
    brand: dict[str, str] | None = None,
    price: dict[str, float] | None = None,
) -> pa.Table:
    """Return rows of marts.ml_product_features at one cutoff; missing content is null, missing counts are 0."""
    content = {
        "product_name": (product_name, pa.string()),
        "category": (category, pa.string()),
        "brand": (brand, pa.string()),
        "price": (price, pa.float64()),
    }
    counts = {"active_users_28d": active_users_28d, "recent_popularity": recent_popularity}
    return pa.table(
        {
            "cutoff": pa.array([cutoff] * len(popularity), pa.string()),
            "product_id": pa.array(popularity, pa.string()),
            **{
                name: pa.array([(values or {}).get(product) for product in popularity], type_)
                for name, (values, type_) in content.items()
            },
            "popularity": pa.array(popularity.values(), pa.float64()),
            **{
                name: pa.array([(values or {}).get(product, 0.0) for product in popularity], pa.float64())
                for name, values in counts.items()
            },
        }
    )


def build_features(product_features: pa.Table) -> pa.Table:
    """Return the `features` of a dataset for the content columns of `build_product_features`."""
    kinds = {"product_name": "words", "category": "category", "brand": "category", "price": "number"}
    return pa.concat_tables(
        build_feature_rows(
            product_features["cutoff"][0].as_py() if product_features.num_rows else "now",
            "product",
            f"ml_product_features.{column}",
            kind,
            {row["product_id"]: row[column] for row in product_features.to_pylist() if row[column] is not None},
        )
        for column, kind in kinds.items()
    )


def build_feature_rows(
    cutoff: str, subject: str, feature: str, kind: str, values: Mapping[str, str | float | list[str]]
) -> pa.Table:
    """Return rows of a dataset's `features`: one per id, or one per category of a list."""
    rows = [(key, item) for key, value in values.items() for item in (value if isinstance(value, list) else [value])]
    return pa.table(
        [
            *(pa.array([text] * len(rows), pa.large_string()) for text in (cutoff, subject, feature, kind)),
            pa.array([key for key, _ in rows], pa.large_string()),
            pa.array(["" if kind == "number" else str(value) for _, value in rows], pa.large_string()),
            pa.array([value if kind == "number" else None for _, value in rows], pa.float64()),
        ],
        schema=TABLE_LAYOUTS["features"].schema,
    )


def build_evaluation_pairs(
    cutoff: str, pairs: list[tuple[str, str, bool]], repeated: Collection[tuple[str, str]] = ()
) -> pa.Table:
    """Return rows of marts.ml_evaluation_pairs at one cutoff from (user, product, is_known_user).

    The pairs in `repeated` are repeat purchases.
    """
    users, products, is_known_user = zip(*pairs, strict=True) if pairs else ((), (), ())
    return pa.table(
        {
            "cutoff": pa.array([cutoff] * len(pairs), pa.string()),
            "user_id": pa.array(users, pa.string()),
            "product_id": pa.array(products, pa.string()),
            "is_known_user": pa.array(is_known_user, pa.bool_()),
            "is_repeat": pa.array([(user, product) in repeated for user, product, _ in pairs], pa.bool_()),
        }
    )


def build_current_dataset(pairs: list[tuple[str, str, float, bool]]) -> Dataset:
    """Return a dataset with interactions at 'now' only, without evaluation windows."""
    return Dataset.from_tables(
        build_interactions("now", 100, pairs), build_product_features("now", {}), build_evaluation_pairs("test", [])
    )


def build_factor_table(id_column: str, prefix: str, factors: npt.NDArray[np.float64]) -> pa.Table:
    """Return factors as a table of OracleFactors."""
    ids = [f"{prefix}{position}" for position in range(len(factors))]
    return pa.table({id_column: ids, "factors": pa.array(list(factors), pa.list_(pa.float64()))})
