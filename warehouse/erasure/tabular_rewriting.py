"""Copies of Parquet, Arrow and Excel files without some of their rows."""

import warnings
from collections.abc import Collection
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from warehouse.erasure.removal import Removal
from warehouse.loading.file_signatures import SIGNATURE_BYTES, find_signature
from warehouse.loading.landing_files import LandingFile, open_landing_file


def copy_parquet(file: LandingFile, destination: Path, removal: Removal) -> None:
    """Copy a Parquet file without some rows, whose numbers are from 1."""
    # As the loader reads it: old times of Spark are outside the range of nanoseconds.
    with pq.ParquetFile(file.location, coerce_int96_timestamp_unit="us") as source:
        is_compressed = source.metadata.num_row_groups and source.metadata.num_columns
        codec = source.metadata.row_group(0).column(0).compression if is_compressed else "snappy"
        codec = "none" if codec == "UNCOMPRESSED" else codec.lower()
        with pq.ParquetWriter(destination, source.schema_arrow, compression=codec) as writer:
            row_count = 0
            for batch in source.iter_batches():
                writer.write_batch(_remove_rows(batch, row_count, removal))
                row_count += len(batch)


def copy_arrow(file: LandingFile, destination: Path, removal: Removal) -> None:
    """Copy an Arrow file or stream without some rows, whose numbers are from 1."""
    with open_landing_file(file) as opened:
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
            table.append(_remove_rows(batch, row_count, removal))
            row_count += len(batch)
        with make_writer(sink, reader.schema, options=options) as writer:
            writer.write_table(pa.Table.from_batches(table, reader.schema))


def _remove_rows(batch: pa.RecordBatch, row_count: int, removal: Removal) -> pa.RecordBatch:
    """Return a batch, before which the file has `row_count` rows, without the rows and items to remove."""
    for number in removal.items:
        if row_count < number <= row_count + len(batch):
            batch = _remove_items(batch, number - row_count - 1, number, removal)
    numbers = np.arange(row_count + 1, row_count + 1 + len(batch))
    kept = batch.filter(pa.array(~np.isin(numbers, list(removal.records))))
    # A dictionary still has the values of the removed rows.
    columns = [
        column.dictionary_decode().cast(column.type) if pa.types.is_dictionary(column.type) else column
        for column in kept.columns
    ]
    return pa.RecordBatch.from_arrays(columns, schema=batch.schema)


def _remove_items(batch: pa.RecordBatch, position: int, number: int, removal: Removal) -> pa.RecordBatch:
    """Return a batch in which the row at the position, which has this number in the file, has lost items."""
    (row,) = batch.slice(position, 1).to_pylist()
    removal.edit_record(number, row)
    edited = pa.RecordBatch.from_pylist([row], batch.schema)
    parts = [batch.slice(0, position), edited, batch.slice(position + 1)]
    return pa.Table.from_batches(parts).combine_chunks().to_batches()[0]


def copy_workbook(file: LandingFile, destination: Path, removed_rows: Collection[int]) -> None:
    """Copy an Excel file without rows of the feed's sheet; formulas become their saved values."""
    # It takes a quarter of the time of all imports of a load.
    import openpyxl

    # openpyxl opens a path only if its suffix is .xlsx.
    with open_landing_file(file) as opened, warnings.catch_warnings(action="ignore"):
        book = openpyxl.load_workbook(opened, data_only=True)
    sheet = book[file.feed.sheet] if file.feed.sheet else book.worksheets[0]
    # openpyxl does not move merged cells with their rows.
    for merged in list(sheet.merged_cells.ranges):
        sheet.unmerge_cells(str(merged))
    # Each deletion moves all rows below.
    rows = sorted(removed_rows, reverse=True)
    for _, group in groupby(enumerate(rows), key=lambda item: item[0] + item[1]):
        block = [row for _, row in group]
        sheet.delete_rows(block[-1], len(block))
    book.save(destination)
