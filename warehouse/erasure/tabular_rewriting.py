"""Copies of Parquet, Arrow and Excel files without some of their rows."""

from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from warehouse.loading.file_signatures import SIGNATURE_BYTES, find_signature
from warehouse.loading.landing_files import LandingFile


def copy_parquet(file: LandingFile, destination: Path, removed_numbers: Collection[int]) -> None:
    """Copy a Parquet file without the rows of these numbers, from 1."""
    with pq.ParquetFile(file.location) as source:
        is_compressed = source.metadata.num_row_groups and source.metadata.num_columns
        codec = source.metadata.row_group(0).column(0).compression if is_compressed else "snappy"
        with pq.ParquetWriter(destination, source.schema_arrow, compression=codec.lower()) as writer:
            row_count = 0
            for batch in source.iter_batches():
                writer.write_batch(_remove_rows(batch, row_count, removed_numbers))
                row_count += len(batch)


def copy_arrow(file: LandingFile, destination: Path, removed_numbers: Collection[int]) -> None:
    """Copy an Arrow file or stream without the rows of these numbers, from 1."""
    with file.location.open("rb") as opened:
        is_stream = find_signature(opened.read(SIGNATURE_BYTES)) is None
    with pa.OSFile(str(file.location)) as source, pa.OSFile(str(destination), "wb") as sink:
        reader = pa.ipc.open_stream(source) if is_stream else pa.ipc.open_file(source)
        batches = reader if is_stream else (reader.get_batch(number) for number in range(reader.num_record_batches))
        # The dictionaries of different batches differ.
        options = pa.ipc.IpcWriteOptions(unify_dictionaries=not is_stream)
        make_writer: Any = pa.ipc.new_stream if is_stream else pa.ipc.new_file
        table = []
        row_count = 0
        for batch in batches:
            table.append(_remove_rows(batch, row_count, removed_numbers))
            row_count += len(batch)
        with make_writer(sink, reader.schema, options=options) as writer:
            writer.write_table(pa.Table.from_batches(table, reader.schema))


def _remove_rows(batch: pa.RecordBatch, row_count: int, removed_numbers: Collection[int]) -> pa.RecordBatch:
    """Return a batch, before which the file has `row_count` rows, without the rows of these numbers."""
    numbers = np.arange(row_count + 1, row_count + 1 + len(batch))
    kept = batch.filter(pa.array(~np.isin(numbers, list(removed_numbers))))
    # A dictionary still has the values of the removed rows.
    columns = [
        column.dictionary_decode().cast(column.type) if pa.types.is_dictionary(column.type) else column
        for column in kept.columns
    ]
    return pa.RecordBatch.from_arrays(columns, schema=batch.schema)


def copy_workbook(file: LandingFile, destination: Path, removed_rows: Collection[int]) -> None:
    """Copy an Excel file without rows of the feed's sheet; formulas become their saved values."""
    # It takes a quarter of the time of all imports of a load.
    import openpyxl

    book = openpyxl.load_workbook(file.location, data_only=True)
    sheet = book[file.feed.sheet] if file.feed.sheet else book.worksheets[0]
    for row in sorted(removed_rows, reverse=True):
        sheet.delete_rows(row)
    book.save(destination)
