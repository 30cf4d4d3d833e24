"""What a table handed to the trainer must have."""

import pyarrow as pa

from models_ml.errors import ModelError


def require_columns(table: pa.Table, columns: tuple[str, ...], what: str) -> None:
    """Raise ModelError when `table`, called `what` in the message, lacks one of the columns."""
    missing = [name for name in columns if name not in table.column_names]
    if missing:
        raise ModelError(f"{what} lack the columns {', '.join(missing)}; there are {', '.join(table.column_names)}")
