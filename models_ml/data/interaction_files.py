"""External interaction files: CSV, Parquet, and text files with lines `user item item ...` or `user item 1`."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from models_ml.errors import ModelError

SCHEMA = pa.schema(
    [
        ("user_id", pa.large_string()),
        ("item_id", pa.large_string()),
        ("weight", pa.float64()),
        ("timestamp", pa.float64()),
    ]
)
SUPPORTED_FORMATS = (
    "a .csv or .parquet file with user_id, item_id[, weight][, timestamp], or a .txt file with lines "
    "`user item item ...` or `user item 1`"
)

MAX_WEIGHT = 1e15
MIN_WEIGHT = 1e-15
"""Bounds of a weight above zero: training sums weights and their squares as 32-bit numbers, whose maximum is 3e38."""


def read_interactions(file: Path) -> pa.Table:
    """Return one row per pair with the columns of `SCHEMA`.

    The weight is 1 and the timestamp null if the file has no such column. Repeated pairs are merged: weights are added,
    the last timestamp is kept, and the rows are in the order of the last occurrences. Rows with weight 0 are dropped.
    A `.txt` file has lines `user item item ...`, or `user item 1` if every line has three words and ends with 1.
    Timestamps are numbers, dates or datetimes. Numbers keep their unit; dates and datetimes become microseconds since
    1970; fractions of a microsecond are cut off.

    Raises:
        ModelError: The file cannot be read, lacks a column or has it twice, has an invalid value or no interaction; the
            message names the file.
    """
    if not file.is_file():
        raise ModelError(f"{file}: there is no such file. Give {SUPPORTED_FORMATS}")
    if file.suffix not in READERS:
        raise ModelError(f"{file}: the file extension {file.suffix!r} is not supported. Give {SUPPORTED_FORMATS}")
    try:
        rows = READERS[file.suffix](file)
        column_names = rows.column_names
    except (pa.ArrowException, UnicodeDecodeError, OSError) as error:
        raise ModelError(f"{file} cannot be read: {error}") from error
    missing_columns = [name for name in ("user_id", "item_id") if name not in column_names]
    if missing_columns:
        raise ModelError(
            f"{file} lacks the columns {', '.join(missing_columns)} (it has {', '.join(column_names)}). Add them"
        )
    repeated_columns = [name for name in SCHEMA.names if column_names.count(name) > 1]
    if repeated_columns:
        raise ModelError(f"{file} has more than one column {', '.join(repeated_columns)}. Keep one of each")
    table = pa.table(
        {
            "user_id": _parse_ids(file, rows, "user_id"),
            "item_id": _parse_ids(file, rows, "item_id"),
            "weight": _parse_weights(file, rows),
            "timestamp": _parse_timestamps(file, rows),
        },
        schema=SCHEMA,
    )
    pairs = merge_repeated_pairs(table.filter(pc.greater(table["weight"], 0)))
    if not pairs.num_rows:
        raise ModelError(f"{file} has no interactions: the file is empty, or every weight is zero")
    return pairs


def merge_repeated_pairs(rows: pa.Table) -> pa.Table:
    """Return one row per pair, with the sum of the weights and the last timestamp, in the order of last occurrences."""
    # With threads, the order of the groups differs between runs.
    pairs = (
        rows.append_column("row", pa.array(np.arange(rows.num_rows)))
        .group_by(["user_id", "item_id"], use_threads=False)
        .aggregate([("weight", "sum"), ("timestamp", "max"), ("row", "max")])
    )
    return pairs.sort_by("row_max").drop_columns("row_max").rename_columns(SCHEMA.names)


def has_item_lists(file: Path) -> bool:
    """Return whether a file that `read_interactions` accepts has lines `user item item ...`."""
    return file.suffix == ".txt" and not _has_item_per_line(_read_lines(file))


def find_ignored_columns(file: Path) -> list[str]:
    """Return the columns of a file that `read_interactions` ignores; none for a file that cannot be read."""
    try:
        if file.suffix == ".parquet":
            names = pq.read_schema(file).names
        elif file.suffix == ".csv":
            with pacsv.open_csv(file) as reader:
                names = reader.schema.names
        else:
            return []
    except (pa.ArrowException, UnicodeDecodeError, OSError):
        return []
    return [name for name in names if name not in SCHEMA.names]


def _read_csv(file: Path) -> pa.Table:
    # Ids are read as text: "007" is not the number 7.
    id_types = dict.fromkeys(("user_id", "item_id"), pa.string())
    return pacsv.read_csv(file, convert_options=pacsv.ConvertOptions(column_types=id_types))


def _read_parquet(file: Path) -> pa.Table:
    # Unlike pq.read_table, it adds no column for a folder such as `user_id=7`.
    with pq.ParquetFile(file) as reader:
        return reader.read()


def _read_text(file: Path) -> pa.Table:
    lines = _read_lines(file)
    if _has_item_per_line(lines):
        pairs = [(line[0], line[1]) for line in lines]
    else:
        pairs = [(line[0], item) for line in lines if line for item in line[1:]]
    users, items = zip(*pairs, strict=True) if pairs else ((), ())
    return pa.table({"user_id": pa.array(users, pa.string()), "item_id": pa.array(items, pa.string())})


def _read_lines(file: Path) -> list[list[str]]:
    return [line.split() for line in file.read_text(encoding="utf-8-sig").splitlines()]


def _has_item_per_line(lines: list[list[str]]) -> bool:
    """Return whether the lines have the form `user item 1`."""
    return bool(lines) and all(len(line) == 3 and line[2] == "1" for line in lines)


READERS = {".csv": _read_csv, ".parquet": _read_parquet, ".txt": _read_text}


def _parse_ids(file: Path, rows: pa.Table, column: str) -> pa.ChunkedArray:
    try:
        ids = rows[column].cast(pa.large_string())
        # The cast accepts text columns with bytes that are not UTF-8.
        ids.validate(full=True)
    except pa.ArrowInvalid:
        raise ModelError(f"{file}: {column} has values that are not UTF-8 text. Give text or whole numbers") from None
    except pa.ArrowNotImplementedError:
        raise ModelError(f"{file}: {column} has the type {rows[column].type}. Give text or whole numbers") from None
    is_valid = pc.fill_null(pc.not_equal(ids, ""), False).to_numpy()
    _require_valid(file, rows, column, is_valid, "an id with at least one character")
    return ids


def _parse_weights(file: Path, rows: pa.Table) -> pa.ChunkedArray | pa.Array:
    if "weight" not in rows.column_names:
        return pa.repeat(1.0, rows.num_rows)
    weights = _parse_numbers(file, rows, "weight")
    is_valid = (weights == 0) | ((weights >= MIN_WEIGHT) & (weights <= MAX_WEIGHT))
    _require_valid(file, rows, "weight", is_valid, f"0 or a number from {MIN_WEIGHT:g} to {MAX_WEIGHT:g}")
    return pa.array(weights)


def _parse_timestamps(file: Path, rows: pa.Table) -> pa.ChunkedArray | pa.Array:
    if "timestamp" not in rows.column_names:
        return pa.nulls(rows.num_rows, pa.float64())
    column = rows["timestamp"]
    if pa.types.is_date(column.type) or pa.types.is_timestamp(column.type):
        try:
            timestamps = _to_microseconds(column)
        except pa.ArrowInvalid:
            raise ModelError(
                f"{file}: timestamp has a date that is too far from 1970 for microseconds. Correct it, or give numbers"
            ) from None
        rows = rows.set_column(rows.column_names.index("timestamp"), "timestamp", timestamps)
    timestamps = _parse_numbers(file, rows, "timestamp")
    _require_valid(file, rows, "timestamp", np.isfinite(timestamps), "a finite number")
    return pa.array(timestamps)


def _to_microseconds(dates: pa.ChunkedArray) -> pa.ChunkedArray:
    if pa.types.is_timestamp(dates.type):
        # Without the time zone, the values are in UTC, and rounding needs no time zone database.
        dates = dates.cast(pa.timestamp(dates.type.unit))
        if dates.type.unit == "ns":
            dates = pc.floor_temporal(dates, unit="microsecond")
    # From the year 2255 on, a float has no single microseconds, which only a cast without the check accepts.
    return dates.cast(pa.timestamp("us")).cast(pa.int64()).cast(pa.float64(), safe=False)


def _parse_numbers(file: Path, rows: pa.Table, column: str) -> npt.NDArray[np.float64]:
    values = rows[column]
    if not (pa.types.is_integer(values.type) or pa.types.is_floating(values.type) or pa.types.is_null(values.type)):
        others = ", dates or datetimes" if column == "timestamp" else ""
        if pa.types.is_string(values.type):
            _require_valid(file, rows, column, _find_parsable(values.to_pandas(), column), f"numbers{others}")
        raise ModelError(f"{file}: {column} has the type {values.type}. Give numbers{others}")
    numbers: npt.NDArray[np.float64] = values.to_numpy().astype(np.float64)
    return numbers


def _find_parsable(texts: pd.Series, column: str) -> npt.NDArray[np.bool_]:
    """Return which texts are numbers or, as timestamps, dates."""
    is_parsable = pd.to_numeric(texts, errors="coerce").notna()
    if column == "timestamp":
        is_parsable |= pd.to_datetime(texts, errors="coerce", format="ISO8601", utc=True).notna()
    return is_parsable.to_numpy()


def _require_valid(file: Path, rows: pa.Table, column: str, is_valid: npt.NDArray[np.bool_], valid_values: str) -> None:
    """Check the values of a column.

    Raises:
        ModelError: A row is invalid; the message names the first such row and the number of others.
    """
    invalid_rows = np.flatnonzero(~is_valid)
    if len(invalid_rows):
        value = rows[column][int(invalid_rows[0])].as_py()
        others = f" ({len(invalid_rows) - 1:,} more rows are invalid)" if len(invalid_rows) > 1 else ""
        raise ModelError(f"{file}: {column} of row {invalid_rows[0] + 1:,} is {value!r}{others}. Give {valid_values}")
