"""The interaction matrix: customers x products, with interaction strengths as values."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import torch

from models_ml.data.dataset import require_columns
from models_ml.data.id_map import IdMap
from models_ml.data.sparse import Csr, DuplicatePairError
from models_ml.errors import ModelError


@dataclass(frozen=True)
class Interactions:
    """Interaction strengths with the customers (each has at least one interaction) and the products."""

    users: IdMap
    products: IdMap
    strength: Csr
    """Customers x products; every value is finite and above zero."""
    repeat_scores: Csr | None = None
    """Customers x products: probability that the customer buys the product again, for products bought and kept in a
    shop with repeat purchases; None without such a pair."""
    purchase_days: Csr | None = None
    """Number of days on which the customer bought the product, for the pairs of `repeat_scores`."""
    due: Csr | None = None
    """1 for the pairs of `repeat_scores` whose product may be recommended again at the cutoff."""

    @classmethod
    def from_table(cls, table: pa.Table, catalog: pa.ChunkedArray | None = None) -> "Interactions":
        """Create the matrix from a table with user_id, product_id (text) and strength (number), one row per pair.

        The products are the products of the rows and of the `catalog` (a column of product ids). The columns
        repeat_score, null for a product that is not recommended again, purchase_days and is_due may be missing
        together.

        Raises:
            ModelError: The table is empty, a column is missing, an id is null, a pair occurs twice, or a strength is
                not a finite number above zero (in 32-bit precision).
        """
        require_columns(table, ("user_id", "product_id", "strength"), "the interactions")
        if not table.num_rows:
            raise ModelError("the interactions are empty. Load events or purchases with a customer first")
        users = IdMap(table["user_id"], "customer")
        products = IdMap(_combine_product_ids(table["product_id"], catalog), "product")
        values = _parse_strengths(table)
        rows = torch.from_numpy(users.get_positions(table["user_id"]))
        columns = torch.from_numpy(products.get_positions(table["product_id"]))
        try:
            strength = Csr.from_pairs(rows, columns, torch.from_numpy(values), (len(users), len(products)))
        except DuplicatePairError as error:
            pair = {name: table[name][error.entry].as_py() for name in ("user_id", "product_id")}
            raise ModelError(
                f"the interactions: {error.count:,} rows repeat a pair, such as {pair}. Give one row per pair"
            ) from None
        if "repeat_score" not in table.column_names or table["repeat_score"].null_count == table.num_rows:
            return cls(users, products, strength)
        is_repeat = table["repeat_score"].is_valid()
        mask = torch.from_numpy(is_repeat.to_numpy())
        repeat_scores, purchase_days = (
            Csr.from_pairs(
                rows[mask],
                columns[mask],
                torch.from_numpy(table[name].filter(is_repeat).to_numpy().astype(np.float32)),
                strength.shape,
            )
            for name in ("repeat_score", "purchase_days")
        )
        is_due = torch.from_numpy(table["is_due"].filter(is_repeat).to_numpy())
        due_rows, due_columns = rows[mask][is_due], columns[mask][is_due]
        due = Csr.from_pairs(due_rows, due_columns, torch.ones(len(due_rows)), strength.shape)
        return cls(users, products, strength, repeat_scores, purchase_days, due)


def _combine_product_ids(product_ids: pa.ChunkedArray, catalog: pa.ChunkedArray | None) -> pa.ChunkedArray:
    columns = [product_ids] if catalog is None else [product_ids, catalog]
    return pa.chunked_array(
        [chunk for column in columns for chunk in column.cast(pa.large_string()).chunks], pa.large_string()
    )


def _parse_strengths(table: pa.Table) -> npt.NDArray[np.float32]:
    column = table["strength"]
    if column.null_count or not (pa.types.is_floating(column.type) or pa.types.is_integer(column.type)):
        raise ModelError(
            f"strength must be a number in every row: its type is {column.type}, {column.null_count} are null"
        )
    # A value too large for 32 bits becomes infinite, which is an error below.
    with np.errstate(over="ignore"):
        values: npt.NDArray[np.float32] = column.to_numpy().astype(np.float32)
    invalid_rows = np.flatnonzero(~(np.isfinite(values) & (values > 0)))
    if len(invalid_rows):
        row = table.slice(int(invalid_rows[0]), 1).select(["user_id", "product_id", "strength"]).to_pylist()[0]
        raise ModelError(f"{len(invalid_rows):,} strengths are not finite numbers above zero, the first in {row}")
    return values
