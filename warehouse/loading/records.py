"""Reading of the records of a file of any format: line number, text and error."""

from collections.abc import Generator
from dataclasses import dataclass

import duckdb
import pyarrow as pa

from warehouse.database import describe_memory_error
from warehouse.loading.csv_records import CsvRecordReader
from warehouse.loading.excel_records import read_excel_records
from warehouse.loading.json_records import read_document_elements, read_json_lines
from warehouse.loading.landing_files import FileLoad, LandingFile, UnreadableFileError
from warehouse.loading.nested_records import has_nested_lists, reshape_records
from warehouse.loading.tabular_records import read_tabular_records
from warehouse.loading.text import read_blocks


@dataclass(frozen=True)
class FileRecords:
    """Consecutive records of one file.

    `table` has `line` (int64, from 1: the number of the record's first line, or of the record in a file without
    lines), `text`, `error` (null if the record can be read) and, for CSV, `fields` (texts in the header's order).
    """

    table: pa.Table
    header: tuple[str, ...] = ()


def read_records(file: LandingFile, file_load: FileLoad) -> Generator[FileRecords, None, None]:
    """Yield all records of a file in order, in chunks of bounded size; empty lines are skipped.

    Raises:
        UnreadableFileError: The file cannot be read, or is incomplete.
        ChangingFileError: The file changed after it was listed.
    """
    try:
        for records in read_whole_records(file, file_load):
            table = records.table
            if has_nested_lists(file.feed):
                table = reshape_records(table, file.feed, file_load.lines)
            file_load.lines += len(table)
            yield FileRecords(table, records.header)
    except (MemoryError, RecursionError, duckdb.Error, pa.ArrowException) as error:
        raise describe_read_error(error) from error


def read_whole_records(file: LandingFile, file_load: FileLoad) -> Generator[FileRecords, None, None]:
    """Yield all records of a file in order, with the lists that they contain.

    Raises:
        UnreadableFileError: The file cannot be read, or is incomplete.
        ChangingFileError: The file changed after it was listed.
    """
    blocks = read_blocks(file, file_load)
    match file.feed.format:
        case "parquet" | "arrow":
            tables = read_tabular_records(file, file_load)
        case "excel":
            tables = read_excel_records(file, file_load)
        case "jsonl":
            tables = read_json_lines(blocks, file_load)
        case "json":
            tables = read_document_elements(blocks, file.feed)
        case "csv":
            reader = CsvRecordReader(file.feed, file_load)
            tables = reader.read_tables(blocks)
    for table in tables:
        yield FileRecords(table, reader.header if file.feed.format == "csv" else ())


def describe_read_error(error: Exception) -> UnreadableFileError:
    """Make the error of a file from one of memory or of a library."""
    if isinstance(error, MemoryError):
        return UnreadableFileError("the memory is too small to read it. Split the file, or free memory")
    text = str(error) or type(error).__name__
    return UnreadableFileError(describe_memory_error(text) or f"the file cannot be read: {text.splitlines()[0]}")
