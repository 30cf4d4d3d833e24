"""The dataset of a training run: four tables with a fixed layout, so that equal rows have equal hashes everywhere."""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from models_ml.errors import ModelError


class TableLayout(NamedTuple):
    """Columns, types and row order of a table of a dataset."""

    schema: pa.Schema
    sort_keys: tuple[str, ...]
    """Columns that define the row order; their values are unique."""
    nullable_columns: tuple[str, ...] = ()
    """Columns that may hold nulls."""


TABLE_LAYOUTS = {
    "interactions": TableLayout(
        pa.schema(
            [
                ("cutoff", pa.large_string()),
                ("as_of", pa.timestamp("us")),
                ("user_id", pa.large_string()),
                ("product_id", pa.large_string()),
                ("strength", pa.float64()),
                ("interaction_count", pa.int64()),
                ("has_purchased", pa.bool_()),
                ("purchase_days", pa.int64()),
                ("repeat_score", pa.float64()),
                ("is_due", pa.bool_()),
                ("first_interaction_at", pa.timestamp("us")),
                ("last_interaction_at", pa.timestamp("us")),
            ]
        ),
        ("cutoff", "user_id", "product_id"),
        nullable_columns=("repeat_score",),
    ),
    "product_features": TableLayout(
        pa.schema(
            [
                ("cutoff", pa.large_string()),
                ("product_id", pa.large_string()),
                ("category", pa.large_string()),
                ("popularity", pa.float64()),
                ("active_users_28d", pa.float64()),
                ("recent_popularity", pa.float64()),
            ]
        ),
        ("cutoff", "product_id"),
        nullable_columns=("category",),
    ),
    "features": TableLayout(
        pa.schema(
            [
                ("cutoff", pa.large_string()),
                ("subject", pa.large_string()),
                ("feature", pa.large_string()),
                ("kind", pa.large_string()),
                ("subject_id", pa.large_string()),
                ("text_value", pa.large_string()),
                ("number_value", pa.float64()),
            ]
        ),
        ("cutoff", "subject", "feature", "subject_id", "text_value"),
        nullable_columns=("number_value",),
    ),
    "evaluation_pairs": TableLayout(
        pa.schema(
            [
                ("cutoff", pa.large_string()),
                ("user_id", pa.large_string()),
                ("product_id", pa.large_string()),
                ("is_known_user", pa.bool_()),
                ("is_repeat", pa.bool_()),
            ]
        ),
        ("cutoff", "user_id", "product_id"),
    ),
}
"""Layouts of the tables. `interactions`, `product_features` and `evaluation_pairs` are parts of the marts with these
names after `ml_`. `features` has the known values of every column that a dbt model declares as `model_feature`: one row
per cutoff, subject (`product` or `customer`), feature (`<model>.<column>`), id and category, number or text;
`text_value` of a number is empty.

The tables hold everything that determines the factors, including the validation window that selects the number of
epochs, so that a training can be repeated from a dataset alone.
"""


CATALOG_MODEL = "ml_product_features"
"""The dbt model that declares the product attributes of the catalog as features."""


@dataclass(frozen=True)
class Dataset:
    """The four tables that a training run reads; `Dataset.from_tables` creates and checks them."""

    interactions: pa.Table
    product_features: pa.Table
    features: pa.Table
    evaluation_pairs: pa.Table

    @classmethod
    def from_tables(
        cls,
        interactions: pa.Table,
        product_features: pa.Table,
        evaluation_pairs: pa.Table,
        features: pa.Table | None = None,
    ) -> "Dataset":
        """Create a dataset from rows of the marts at all cutoffs, with the columns, types and order of `TABLE_LAYOUTS`.

        Rows that are in this order already are not sorted again. Without `features`, nothing is declared.

        Raises:
            ModelError: A column is missing, has a wrong type or unexpected nulls, or there are no interactions at the
                cutoff 'now'.
        """
        tables = {
            "interactions": interactions,
            "product_features": product_features,
            "features": TABLE_LAYOUTS["features"].schema.empty_table() if features is None else features,
            "evaluation_pairs": evaluation_pairs,
        }
        dataset = cls(**{name: apply_layout(table, name) for name, table in tables.items()})
        if not dataset.current_interactions.num_rows:
            raise ModelError("there are no interactions at cutoff now. Load events or purchases with a customer first")
        return dataset

    @property
    def tables(self) -> dict[str, pa.Table]:
        """The tables by name."""
        return {name: getattr(self, name) for name in TABLE_LAYOUTS}

    @cached_property
    def own_features(self) -> list[str]:
        """The declared features that are not columns of ml_product_features, in order."""
        names = pc.unique(self.features["feature"]).to_pylist()
        return sorted(name for name in names if not name.startswith(f"{CATALOG_MODEL}."))

    @cached_property
    def current_interactions(self) -> pa.Table:
        """The interactions at the cutoff 'now'; the model that may serve is fitted to them."""
        return self.select_cutoff("now").interactions

    def select_cutoff(self, cutoff: str) -> "Dataset":
        """Return the rows of one cutoff: 'validation', 'test' or 'now'."""
        return Dataset(**{name: table.filter(pc.equal(table["cutoff"], cutoff)) for name, table in self.tables.items()})

    def remove_customer(self, user_id: str) -> "Dataset | None":
        """Return the dataset without the rows of one customer; None without current interactions of another one."""
        if not pc.any(pc.not_equal(self.current_interactions["user_id"], user_id)).as_py():
            return None
        tables = {
            name: table.filter(pc.not_equal(table["user_id"], user_id)) if "user_id" in table.schema.names else table
            for name, table in self.tables.items()
        }
        is_feature = pc.and_(
            pc.equal(self.features["subject"], "customer"), pc.equal(self.features["subject_id"], user_id)
        )
        return Dataset.from_tables(**{**tables, "features": self.features.filter(pc.invert(is_feature))})

    @cached_property
    def table_hashes(self) -> dict[str, str]:
        """The sha256 of each table's values in order; independent of file format and library versions."""
        return {name: _hash_table(table, TABLE_LAYOUTS[name].nullable_columns) for name, table in self.tables.items()}

    @property
    def dataset_hash(self) -> str:
        """The sha256 of the content of all tables."""
        return combine_hashes(self.table_hashes)


def combine_hashes(table_hashes: dict[str, str]) -> str:
    """Return the hash of a dataset, computed from the hashes of its tables."""
    return hashlib.sha256("".join(f"{name}:{table_hashes[name]};" for name in TABLE_LAYOUTS).encode()).hexdigest()


def apply_layout(table: pa.Table, name: str) -> pa.Table:
    """Return the columns of `TABLE_LAYOUTS[name]` with its types and row order.

    Raises:
        ModelError: A column is missing, cannot be cast to its type, or has nulls but is not nullable.
    """
    label = f"the {name.replace('_', ' ')}"
    schema, keys, nullable = TABLE_LAYOUTS[name]
    require_columns(table, tuple(schema.names), label)
    try:
        rows = table.select(schema.names).cast(schema)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise ModelError(f"{label} do not have the types of a dataset: {error}") from error
    null_columns = [column for column in schema.names if rows[column].null_count and column not in nullable]
    if null_columns:
        raise ModelError(f"{label} hold nulls in {', '.join(null_columns)}. Give a value in every row")
    return rows if _is_ordered(rows, keys) else rows.sort_by([(key, "ascending") for key in keys])


def require_columns(table: pa.Table, columns: tuple[str, ...], table_label: str) -> None:
    """Check that `table` has the columns; `table_label` names the table in the message.

    Raises:
        ModelError: A column is missing.
    """
    missing_columns = [name for name in columns if name not in table.column_names]
    if missing_columns:
        raise ModelError(
            f"{table_label} lack the columns {', '.join(missing_columns)} (there are {', '.join(table.column_names)})"
        )


def _is_ordered(rows: pa.Table, sort_keys: tuple[str, ...]) -> bool:
    """Return whether the rows are in order; for 16 million rows Arrow checks in 1 s and sorts in 30 s."""
    previous_rows, next_rows = rows.slice(0, max(0, rows.num_rows - 1)), rows.slice(1)
    is_in_order: pa.ChunkedArray | pa.Scalar = pa.scalar(True)
    for key in reversed(sort_keys):
        is_equal_and_in_order = pc.and_(pc.equal(previous_rows[key], next_rows[key]), is_in_order)
        is_in_order = pc.or_(pc.less(previous_rows[key], next_rows[key]), is_equal_and_in_order)
    return pc.all(is_in_order, min_count=0).as_py() is True


def _hash_table(rows: pa.Table, nullable_columns: tuple[str, ...]) -> str:
    digest = hashlib.sha256()
    for field in rows.schema:
        column = rows[field.name]
        digest.update(f"{field.name}:{field.type}:{len(column)};".encode())
        if field.name in nullable_columns:
            # The null mask is hashed first, so that a null and an empty text or a zero have different hashes.
            digest.update(column.is_null().cast(pa.int8()).to_numpy())
            column = column.fill_null("" if pa.types.is_large_string(field.type) else 0)
        if pa.types.is_large_string(field.type):
            digest.update(pc.binary_length(column).to_numpy())
            for chunk in column.chunks:
                _, offsets, text = chunk.buffers()
                bounds = memoryview(offsets).cast("q")
                digest.update(memoryview(text or b"")[bounds[chunk.offset] : bounds[chunk.offset + len(chunk)]])
        elif pa.types.is_boolean(field.type):
            digest.update(column.cast(pa.int8()).to_numpy())
        elif pa.types.is_timestamp(field.type):
            digest.update(column.cast(pa.int64()).to_numpy())
        else:
            digest.update(column.to_numpy())
    return digest.hexdigest()
