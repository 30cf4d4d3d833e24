"""Records of Parquet and Arrow files: each row becomes the text of a JSON object."""

from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from typing import BinaryIO

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from warehouse.checksums import compute_checksum
from warehouse.loading.column_names import find_count_problem, find_repeated_name, make_names_unique
from warehouse.loading.file_signatures import SIGNATURE_BYTES, check_signature, find_signature
from warehouse.loading.landing_files import (
    ChangingFileError,
    FileLoad,
    LandingFile,
    UnreadableFileError,
    open_landing_file,
)
from warehouse.sources.declaration import Feed
from warehouse.sql_text import quote_identifier, quote_literal

BATCH_ROWS = 20_000
"""Maximum number of rows that are converted at a time."""

NATIVE_TYPES = {
    pa.types.is_boolean: "boolean",
    pa.types.is_integer: "hugeint",
    pa.types.is_date: "date",
    pa.types.is_time: "time",
    pa.types.is_null: "varchar",
}
"""DuckDB types of values that JSON or ISO 8601 can have; all other values are written as DuckDB's text of them."""


@contextmanager
def open_whole_file(file: LandingFile, file_load: FileLoad) -> Generator[BinaryIO, None, None]:
    """Open a file that is not read from its start to its end; fill the checksum and the bytes of the file load.

    Raises:
        UnreadableFileError: The file cannot be read, or is damaged.
        ChangingFileError: The file changed after it was listed.
    """
    # The rows are read as text in this encoding.
    file_load.encoding = "utf-8"
    try:
        with open_landing_file(file) as opened:
            file_load.checksum = compute_checksum(opened)
            file_load.bytes_read = file.size_bytes
            opened.seek(0)
            check_signature(opened.read(SIGNATURE_BYTES), file.feed.format)
            opened.seek(0)
            yield opened
    except (UnreadableFileError, OSError, pa.ArrowException, duckdb.Error) as error:
        if isinstance(error, UnreadableFileError) and file.problem:
            raise
        if not file.is_unchanged():
            raise ChangingFileError from error
        if isinstance(error, UnreadableFileError):
            raise
        raise UnreadableFileError(f"the file cannot be read: {str(error).splitlines()[0]}") from error
    if not file.is_unchanged():
        raise ChangingFileError


def read_tabular_records(file: LandingFile, file_load: FileLoad) -> Iterator[pa.Table]:
    """Yield the rows of a Parquet or Arrow file: line (the number of the row), text and error.

    Raises:
        UnreadableFileError: The file cannot be read, or is damaged.
        ChangingFileError: The file changed after it was listed.
    """
    with open_whole_file(file, file_load) as opened:
        if not opened.read(1):
            return
        opened.seek(0)
        row_count = 0
        for batch in _read_parquet(opened) if file.feed.format == "parquet" else _read_arrow(opened):
            for start in range(0, len(batch), BATCH_ROWS):
                texts = _write_as_json(batch.slice(start, BATCH_ROWS), file.feed)
                yield build_record_table(range(row_count + 1, row_count + 1 + len(texts)), texts, None)
                row_count += len(texts)


def build_record_table(
    numbers: Sequence[int], texts: pa.ChunkedArray | list[str], errors: list[str | None] | None
) -> pa.Table:
    """Return a table of records with their numbers, and their errors if there are any."""
    return pa.table(
        {
            "line": pa.array(numbers, pa.int64()),
            "text": pa.array(texts, pa.large_string()) if isinstance(texts, list) else texts.cast(pa.large_string()),
            "error": pa.array(errors or [None] * len(texts), pa.string()),
        }
    )


def _read_parquet(opened: BinaryIO) -> Iterator[pa.RecordBatch]:
    # Spark's old timestamps can be outside the range of nanoseconds.
    parquet_file = pq.ParquetFile(opened, coerce_int96_timestamp_unit="us", pre_buffer=False)
    yield from parquet_file.iter_batches(BATCH_ROWS)


def _read_arrow(opened: BinaryIO) -> Iterator[pa.RecordBatch]:
    signature = find_signature(opened.read(SIGNATURE_BYTES))
    opened.seek(0)
    if signature is None:
        yield from pa.ipc.open_stream(opened)
        return
    reader = pa.ipc.open_file(opened)
    for number in range(reader.num_record_batches):
        yield reader.get_batch(number)


def _write_as_json(batch: pa.RecordBatch, feed: Feed) -> pa.ChunkedArray:
    """Return the text of a JSON object for each row.

    Numbers with decimals are texts, which keep their digits. In a feed with a decimal comma they are numbers, so that
    their points are no separators of thousands.

    Raises:
        UnreadableFileError: Two columns have the same name, and the feed declares it.
    """
    header = make_names_unique(batch.schema.names, feed)
    if problem := find_count_problem(len(header)) or find_repeated_name(header):
        raise UnreadableFileError(problem)
    # A reader can deliver damaged values without an error, which would crash the conversion.
    batch.validate(full=True)
    columns = [_decode_dictionary(column) for column in batch.columns]
    # Names can differ in case only, which DuckDB does not support.
    names = [f"c{number}" for number in range(len(columns))]
    connection = duckdb.cursor()
    connection.execute("set TimeZone = 'UTC'")
    connection.execute("set arrow_large_buffer_size = true")
    connection.register("batch", pa.table(columns, names=names))
    pairs = [
        f"{quote_literal(key)}, {_build_value(name, column.type, has_numbers=feed.decimal == ',')}"
        for key, name, column in zip(header, names, columns, strict=True)
    ]
    result = connection.sql(f"select json_object({', '.join(pairs)})::varchar as text from batch").to_arrow_table()
    connection.unregister("batch")
    return result["text"]


def _decode_dictionary(column: pa.Array) -> pa.Array:
    if pa.types.is_dictionary(column.type):
        return column.dictionary_decode()
    return column.cast(pa.float32()) if pa.types.is_float16(column.type) else column


def _build_value(name: str, arrow_type: pa.DataType, *, has_numbers: bool) -> str:
    """Build the expression of a column's value in JSON."""
    if pa.types.is_floating(arrow_type):
        return f"nullif({name}::varchar, 'nan'){'::double' if has_numbers else ''}"
    if pa.types.is_decimal(arrow_type) and not has_numbers:
        return f"regexp_replace({name}::varchar, '[.]0+$', '')"
    if pa.types.is_binary(arrow_type) or pa.types.is_large_binary(arrow_type):
        # Some programs write texts as binary values.
        return f"coalesce(try(decode({name})), {name}::varchar)"
    return f"{name}::{_get_duckdb_type(arrow_type, has_numbers)}"


def _get_duckdb_type(arrow_type: pa.DataType, has_numbers: bool) -> str:
    """Return the DuckDB type that a value is converted to before it is written as JSON."""
    if pa.types.is_struct(arrow_type):
        fields = (f"{quote_identifier(field.name)} {_get_duckdb_type(field.type, has_numbers)}" for field in arrow_type)
        return f"struct({', '.join(fields)})"
    if pa.types.is_map(arrow_type):
        return f"map(varchar, {_get_duckdb_type(arrow_type.item_type, has_numbers)})"
    if pa.types.is_list(arrow_type) or pa.types.is_large_list(arrow_type) or pa.types.is_fixed_size_list(arrow_type):
        return f"{_get_duckdb_type(arrow_type.value_type, has_numbers)}[]"
    if pa.types.is_timestamp(arrow_type):
        return "timestamptz" if arrow_type.tz else "timestamp"
    if has_numbers and pa.types.is_floating(arrow_type):
        return "double"
    if has_numbers and pa.types.is_decimal(arrow_type):
        return f"decimal({arrow_type.precision}, {arrow_type.scale})" if arrow_type.scale else "hugeint"
    return next((name for is_type, name in NATIVE_TYPES.items() if is_type(arrow_type)), "varchar")
