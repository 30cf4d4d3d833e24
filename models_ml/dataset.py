"""What a training run reads, in the one layout whose content is hashed: the same rows give the same hash anywhere."""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from models_ml.columns import require_columns
from models_ml.errors import ModelError


class Layout(NamedTuple):
    """How a table of a dataset looks."""

    schema: pa.Schema
    keys: tuple[str, ...]
    """The columns that its rows are ordered by; no two rows share them."""
    nullable: tuple[str, ...] = ()
    """The columns whose value may be unknown."""


LAYOUTS = {
    "interactions": Layout(
        pa.schema(
            [
                ("cutoff", pa.large_string()),
                ("as_of", pa.timestamp("us")),
                ("user_id", pa.large_string()),
                ("product_id", pa.large_string()),
                ("strength", pa.float64()),
                ("interaction_count", pa.int64()),
                ("has_purchased", pa.bool_()),
                ("first_interaction_at", pa.timestamp("us")),
                ("last_interaction_at", pa.timestamp("us")),
            ]
        ),
        ("cutoff", "user_id", "product_id"),
    ),
    "product_features": Layout(
        pa.schema(
            [
                ("cutoff", pa.large_string()),
                ("product_id", pa.large_string()),
                ("product_name", pa.large_string()),
                ("category", pa.large_string()),
                ("brand", pa.large_string()),
                ("price", pa.float64()),
                ("popularity", pa.float64()),
                ("active_users_28d", pa.float64()),
                ("recent_popularity", pa.float64()),
            ]
        ),
        ("cutoff", "product_id"),
        nullable=("product_name", "category", "brand", "price"),
    ),
    "evaluation_pairs": Layout(
        pa.schema(
            [
                ("cutoff", pa.large_string()),
                ("user_id", pa.large_string()),
                ("product_id", pa.large_string()),
                ("is_known_user", pa.bool_()),
            ]
        ),
        ("cutoff", "user_id", "product_id"),
    ),
}
"""The tables of a dataset: what a run reads of the marts ml_interactions, ml_product_features and ml_evaluation_pairs.

All that decides over the factors is in them, the validation window that picks the number of sweeps included, so that a
whole training can be repeated from a dataset alone.
"""


@dataclass(frozen=True)
class Dataset:
    """The three tables that a run reads; make one with `Dataset.of`."""

    interactions: pa.Table
    product_features: pa.Table
    evaluation_pairs: pa.Table

    @classmethod
    def of(cls, interactions: pa.Table, product_features: pa.Table, evaluation_pairs: pa.Table) -> "Dataset":
        """Take what `LAYOUTS` names of the marts' rows, of every cutoff; fast when they are in its order already.

        Raises ModelError when a column is missing, holds something else than it should, or is null where it must not
        be; and when there are no interactions as of now.
        """
        tables = {
            "interactions": interactions,
            "product_features": product_features,
            "evaluation_pairs": evaluation_pairs,
        }
        dataset = cls(**{name: laid_out(table, name) for name, table in tables.items()})
        if not dataset.now.num_rows:
            raise ModelError("there are no interactions as of now; load events or purchases with a customer first")
        return dataset

    @property
    def tables(self) -> dict[str, pa.Table]:
        """The tables by name."""
        return {name: getattr(self, name) for name in LAYOUTS}

    @cached_property
    def now(self) -> pa.Table:
        """The interactions that the model which serves is fitted to."""
        return self.as_of("now").interactions

    def as_of(self, as_of_name: str) -> "Dataset":
        """Return the rows of one cutoff."""
        return Dataset(
            **{name: table.filter(pc.equal(table["cutoff"], as_of_name)) for name, table in self.tables.items()}
        )

    @cached_property
    def table_hashes(self) -> dict[str, str]:
        """The sha256 of every value of each table in order, whatever the file format or library version."""
        return {name: _table_hash(table, LAYOUTS[name].nullable) for name, table in self.tables.items()}

    @property
    def dataset_hash(self) -> str:
        """The name of this content."""
        return combined_hash(self.table_hashes)


def combined_hash(table_hashes: dict[str, str]) -> str:
    """Return the hash of a dataset from those of its tables."""
    return hashlib.sha256("".join(f"{name}:{table_hashes[name]};" for name in LAYOUTS).encode()).hexdigest()


def laid_out(table: pa.Table, name: str) -> pa.Table:
    """Return the columns of `LAYOUTS[name]`, in its types and order; ModelError when they are not to be had."""
    what = f"the {name.replace('_', ' ')}"
    schema, keys, nullable = LAYOUTS[name]
    require_columns(table, tuple(schema.names), what)
    try:
        rows = table.select(schema.names).cast(schema)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise ModelError(f"{what} do not have the types of a dataset: {error}") from error
    nulls = [column for column in schema.names if rows[column].null_count and column not in nullable]
    if nulls:
        raise ModelError(f"{what} hold nulls in {', '.join(nulls)}; every value there must be known")
    return rows if _is_ordered(rows, keys) else rows.sort_by([(key, "ascending") for key in keys])


def _is_ordered(rows: pa.Table, keys: tuple[str, ...]) -> bool:
    """Whether the rows are in order: sixteen million take Arrow half a minute to sort, and a second to look at."""
    before, after = rows.slice(0, max(0, rows.num_rows - 1)), rows.slice(1)
    in_order: pa.ChunkedArray | pa.Scalar = pa.scalar(True)
    for key in reversed(keys):
        same = pc.and_(pc.equal(before[key], after[key]), in_order)
        in_order = pc.or_(pc.less(before[key], after[key]), same)
    return pc.all(in_order, min_count=0).as_py() is True


def _table_hash(rows: pa.Table, nullable: tuple[str, ...]) -> str:
    digest = hashlib.sha256()
    for field in rows.schema:
        column = rows[field.name]
        digest.update(f"{field.name}:{field.type}:{len(column)};".encode())
        if field.name in nullable:
            # Where nothing is known comes first; an empty text or a zero in its place is then told from the real ones.
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
