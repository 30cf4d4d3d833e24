"""Records of Excel files: each row of a sheet becomes the text of a JSON object."""

import json
import os
import warnings
import zipfile
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime, time
from itertools import islice
from typing import Any, BinaryIO

import pyarrow as pa

from warehouse.formatting import format_names
from warehouse.loading.column_names import find_header_problem, name_columns
from warehouse.loading.csv_header import MAX_LINES_BEFORE_HEADER
from warehouse.loading.landing_files import FileLoad, LandingFile, UnreadableFileError
from warehouse.loading.tabular_records import BATCH_ROWS, build_record_table, open_whole_file
from warehouse.loading.text import check_text_size
from warehouse.sources.declaration import Feed

MAX_EXACT_NUMBER = 10**15
"""A sheet has numbers of 15 digits."""

SheetRow = tuple[int, list[Any]]
"""The number of a row in its sheet, and its values without the empty ones at the end."""


def read_excel_records(file: LandingFile, file_load: FileLoad) -> Iterator[pa.Table]:
    """Yield the rows of a sheet that are not empty: line (the number of the row in the sheet), text and error.

    Raises:
        UnreadableFileError: The file cannot be read, or its header lacks a required column.
        ChangingFileError: The file changed after it was listed.
    """
    with open_whole_file(file, file_load) as opened:
        if not opened.read(1):
            return
        with explain_damage():
            book = open_workbook(opened)
            sheet = _find_sheet(book, file.feed)
        rows = read_sheet_rows(sheet, file.feed.skip_lines)
        header = file.feed.names or _read_header(rows, file.feed, book.sheetnames)
        while batch := list(islice(rows, BATCH_ROWS)):
            # A row that equals the header is that of a table that was appended.
            records = [(number, values) for number, values in batch if _name_columns(values, file.feed) != header]
            yield build_record_table(
                [number for number, _ in records],
                [_write_as_json(values, header) for _, values in records],
                [_find_width_problem(values, header) for _, values in records],
            )


@contextmanager
def explain_damage() -> Generator[None, None, None]:
    """Raise an UnreadableFileError in place of openpyxl's errors, which are of many kinds for damaged files."""
    try:
        yield
    except UnreadableFileError:
        raise
    except Exception as error:
        raise UnreadableFileError(f"the file is a zip archive, or no complete .xlsx file: {error}") from error


def open_workbook(opened: BinaryIO) -> Any:
    """Open a workbook to read its values.

    Raises:
        UnreadableFileError: The text of the workbook is too large.
    """
    with zipfile.ZipFile(opened) as archive:
        # The texts of all cells are kept in memory.
        check_text_size(sum(part.file_size for part in archive.infolist()), os.fstat(opened.fileno()).st_size)
    # It takes a quarter of the time of all imports of a load.
    import openpyxl

    # openpyxl warns of parts of a file that it does not read, such as styles.
    with warnings.catch_warnings(action="ignore"):
        return openpyxl.load_workbook(opened, read_only=True, data_only=True)


def read_sheet_rows(sheet: Any, skip_lines: int = 0) -> Iterator[SheetRow]:
    """Yield the rows of a sheet that are not empty, after the lines to skip."""
    with explain_damage():
        # The dimensions in a file can be wrong.
        sheet.reset_dimensions()
        for number, cells in enumerate(sheet.iter_rows(values_only=True), start=1):
            width = max((position for position, cell in enumerate(cells, start=1) if cell is not None), default=0)
            if number > skip_lines and width:
                yield number, [_convert_value(cell) for cell in cells[:width]]


def _find_sheet(book: Any, feed: Feed) -> Any:
    if feed.sheet and feed.sheet not in book.sheetnames:
        raise UnreadableFileError(f"the file has no sheet '{feed.sheet}'; it has {format_names(book.sheetnames)}")
    return book[feed.sheet] if feed.sheet else book.worksheets[0]


def _read_header(rows: Iterator[SheetRow], feed: Feed, sheet_names: Sequence[str]) -> tuple[str, ...]:
    """Read the header, which is the next row; empty for a sheet without rows."""
    for _, values in rows:
        names = _name_columns(values, feed)
        if problem := find_header_problem(names, feed):
            other_sheets = "" if feed.sheet else f". This is the first sheet of {format_names(sheet_names)}"
            raise UnreadableFileError(problem + (_describe_later_header(rows, feed) or other_sheets))
        return names
    return ()


def _describe_later_header(rows: Iterator[SheetRow], feed: Feed) -> str:
    """Describe a later row that looks like the header; empty if there is none."""
    for number, values in islice(rows, MAX_LINES_BEFORE_HEADER):
        if find_header_problem(_name_columns(values, feed), feed) is None:
            return f". Row {number} looks like the header: declare skip_lines: {number - 1}"
    return ""


def _name_columns(values: Sequence[Any], feed: Feed) -> tuple[str, ...]:
    return name_columns(["" if value is None else str(value) for value in values], feed)


def _find_width_problem(values: Sequence[Any], header: Sequence[str]) -> str | None:
    return f"{len(values)} fields where the header has {len(header)}" if len(values) > len(header) else None


def _write_as_json(values: Sequence[Any], header: Sequence[str]) -> str:
    """Return the text of a row as a JSON object; cells that are missing at its end are null."""
    if len(values) > len(header):
        return json.dumps(values)
    missing_values = [None] * (len(header) - len(values))
    return json.dumps(dict(zip(header, [*values, *missing_values], strict=True)))


def _convert_value(value: Any) -> Any:
    """Convert a cell to a JSON value; times become ISO 8601, and numbers without decimals become integers."""
    if isinstance(value, datetime):
        return value.isoformat(sep=" ")
    if isinstance(value, date | time):
        return value.isoformat()
    # A number of more than 15 digits was rounded; its text stays in scientific notation.
    if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) >= MAX_EXACT_NUMBER:
        return f"{value:.14E}"
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)
